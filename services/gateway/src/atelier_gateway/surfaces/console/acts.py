"""What an operator does from a page: each act is one call of the admin API, with a reason, and done once a form."""

import re
from urllib.parse import quote

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from atelier_gateway.surfaces.console.act_table import ACTS, LATER, Act
from atelier_gateway.surfaces.console.admin_api import CallRefused, Reply
from atelier_gateway.surfaces.console.login import foreign_form, local_or_home, refused_form
from atelier_gateway.surfaces.console.responses import PREFIX
from atelier_gateway.surfaces.console.visits import LOGIN, Console, Visit
from atelier_gateway.web.problems import not_found

REASON_CHARS_MIN = 3
FIELD_CHARS_MAX = 500
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def router(console: Console) -> APIRouter:
    """``POST /console/acts/{name}``."""
    routes = APIRouter(include_in_schema=False)

    @routes.post(PREFIX + "/acts/{name}")
    async def act(request: Request, name: str) -> Response:
        visit = await console.visit(request)
        if visit is None:
            return RedirectResponse(LOGIN, 303)
        if (refusal := foreign_form(request)) is not None:
            return refusal
        sent = await request.form()
        if not console.signer.is_form_token(visit.session, str(sent.get("form_token", ""))):
            return refused_form("It is none of this session's; go back, load the page again and send it once more.")
        if name not in ACTS:
            raise not_found("act")
        return await _perform(visit, name, sent)

    return routes


async def _perform(visit: Visit, name: str, sent: FormData) -> Response:
    act, form = ACTS[name], {field: str(value).strip()[:FIELD_CHARS_MAX] for field, value in sent.items()}
    back = local_or_home(form.get("back", ""))
    reason = " ".join(form.get("reason", "").split())
    if len(reason) < REASON_CHARS_MIN:
        return _refuse(visit, back, 400, "Say in a few words why; the reason is kept in the audit log.")
    form |= {"reason": reason, "ids": ",".join(str(each) for each in sent.getlist("ids"))}
    path = _PLACEHOLDER.sub(lambda match: quote(form.get(match[1], "-") or "-", safe=""), act.path)
    try:
        body = act.body(form)
    except KeyError as error:
        return _refuse(visit, back, 400, f"The form lacks {error}.")
    try:
        reply = await visit.console.api.act(
            visit.operator, act.method, path, body, reason=reason, key=form.get("key") or visit.new_key()
        )
    except CallRefused as error:
        return _refuse(visit, back, error.status, error.detail)
    if act.shown_once is not None:
        return _show_secret(visit, act, reply, back)
    outcome = LATER if reply.status == 202 and act.posts else name
    return RedirectResponse(f"{back}{'&' if '?' in back else '?'}done={outcome}", 303)


def _refuse(visit: Visit, back: str, status: int, detail: str) -> Response:
    return visit.page("problem.html", status=status, title="Nothing was done", detail=detail, back=back)


def _show_secret(visit: Visit, act: Act, reply: Reply, back: str) -> Response:
    secret = reply.body.get(act.shown_once or "")
    return visit.page("secret.html", title=act.done, secret=secret, back=back)
