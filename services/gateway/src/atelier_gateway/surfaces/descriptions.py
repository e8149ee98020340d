"""What each surface is for, in a sentence or two: the description's tags, and what its pages begin with."""

from collections.abc import Mapping

ABOUT: Mapping[str, str] = {
    "Generations": (
        "The native surface: any kind of work, for stores (`X-API-Key`, or `Authorization: Bearer`), for users "
        "(`Authorization: Bearer` with a token) and, with `X-Workspace-Id`, for workspaces. Errors are problems as "
        "RFC 9457 has them."
    ),
    "Client tokens": (
        "Short-lived tokens that a store's server makes for a page or an app, with a cap of credits and an end user of "
        "their own. A client token is sent as `Authorization: Bearer`, and may create, and read what it made."
    ),
    "Credits": "Prices, the balance, and every movement of credits. Credits are whole numbers.",
    "Disputes": (
        "For an output that is broken: it is examined as it is stored, and declared rules decide at once what is "
        "returned."
    ),
    "Proofs": (
        "Checks without trust in us: the keys that receipts are signed with, and the log of all postings and receipts."
    ),
    "Webhooks": (
        "URLs that receive the events of generations, signed as Standard Webhooks specifies. They take the same "
        "credentials as the native surface."
    ),
    "B2B try-on": (
        "For stores, by API key: a shopper's photograph and a garment become a picture. Every reply is "
        '`{"data", "error"}`. Shoppers ask over tRPC, at `/api/trpc` (`tryOn.create`, `tryOn.get`, `tryOn.list`).'
    ),
    "Stories": "For users, by token: stories, and narrations of them as audio files.",
    "Generation form": (
        "For users, by token or session cookie: product photographs become pictures in a style. Replies say `success`."
    ),
    "Images (workspaces)": (
        "For members of a workspace, by token and `X-Workspace-Id`: pictures from prompts, edits, variations, batches. "
        "The answer waits for the pictures unless `Prefer: respond-async` says otherwise."
    ),
    "Images (OpenAI's shape)": (
        "The stock `openai` client works by changing its base URL to `/v1` here; the key is a store's, or a user's "
        "token."
    ),
    "Speech (OpenAI's shape)": "A text becomes the sound of its narration, for the stock `openai` client.",
    "Batches (OpenAI's shape)": (
        "Files of JSON lines, and batches of them: for the stock `openai` client, many pictures at once."
    ),
    "On-model photos": "For users, by token: product photographs onto a model, or laid flat on a background.",
    "Problems": "The pages that the `type` of a problem links to.",
    "Admin": (
        "For operators, each with a token and a role, on a listener of their own: stores, keys, users, workspaces, "
        "grants, proofs, operators, and what operators did."
    ),
}
