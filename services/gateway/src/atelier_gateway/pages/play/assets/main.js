/** Puts the page together: who is signed in, what is ordered, what is shown. */
import { Account } from "./account.js";
import { Api, ConnectionLost, Problem } from "./api.js";
import { Code } from "./code.js";
import { announce, byId, refill } from "./dom.js";
import { History } from "./history.js";
import { kindsOf } from "./kinds.js";
import { Order } from "./order.js";
import { problemBox } from "./problems.js";
import { Stage } from "./stage.js";

const SESSION = "atelier.play";
const THEME = "atelier.theme";
const ID = /^#([0-9a-f-]{36})$/;

/** Keeps the credential for this tab. A browser that stores nothing forgets it with the page. */
const session = {
  read() {
    try {
      return JSON.parse(sessionStorage.getItem(SESSION));
    } catch {
      return null;
    }
  },
  write(known) {
    try {
      if (known) sessionStorage.setItem(SESSION, JSON.stringify(known));
      else sessionStorage.removeItem(SESSION);
    } catch {
      // It stays in memory.
    }
  },
};

/** Reads what is needed to work. Rejects with Problem, ConnectionLost. */
async function open(known) {
  const api = new Api(known);
  const account = new Account(api, known.credential);
  const capabilities = await api.get("/v1/capabilities");
  await account.refresh().catch((error) => {
    if (account.isToken) throw error; // its bounds decide what is offered; a balance can come later
  });
  const kinds = kindsOf(capabilities).filter((kind) => account.mayOrder(kind));
  if (!kinds.length) {
    throw new Problem({ status: 503, code: "provider_unavailable", detail: "Nothing can be made here that this page knows." });
  }
  return { api, known, account, capabilities, kinds };
}

function showWorkbench({ api, known, account, capabilities, kinds }) {
  session.write(known);
  byId("welcome").hidden = true;
  byId("workbench").hidden = false;
  byId("account").hidden = false;
  byId("mode").hidden = !account.isTest;
  byId("history").hidden = !account.canRead;

  const code = new Code(known.workspace);
  const showBalance = () => {
    byId("balance").textContent = account.words;
    order.setAvailable(account.available);
  };
  const balanceOrNothing = () => account.refresh().then(showBalance, () => {});
  const refreshHistory = () => account.canRead && past.refresh();
  const stage = new Stage(api, byId("stage"), {
    code: code.element,
    mayDispute: !account.isToken,
    onEnd: () => {
      void balanceOrNothing();
      void refreshHistory();
    },
  });
  const show = (generation, how) => {
    if (location.hash !== `#${generation.id}`) location.hash = generation.id;
    return stage.show(generation, how);
  };
  const past = new History(api, byId("history"), { onOpen: (generation) => openById(generation.id) });
  const order = new Order(api, { capabilities, kinds }, byId("order"), {
    onChange: (request, files) => code.show(request, files),
    onOrder: async (request, key) => {
      const generation = await api.postOnce("/v1/generations", request, key, () => order.showRetry());
      void show(generation);
      void balanceOrNothing();
    },
  });

  /** By its id, since addresses of outputs are good for some minutes only. */
  async function openById(id) {
    if (stage.generation?.id === id) return;
    try {
      await show(await api.get(`/v1/generations/${id}`));
    } catch (error) {
      stage.clear();
      refill(stage.foot, problemBox(error));
    }
  }
  const openFromAddress = () => {
    const [, id] = ID.exec(location.hash) ?? [];
    if (id) void openById(id);
  };
  addEventListener("hashchange", openFromAddress);
  openFromAddress();
  showBalance();
  void refreshHistory();
}

function start() {
  const form = byId("sign-in");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const credential = byId("credential").value.trim();
    const workspace = byId("workspace").value.trim();
    if (!credential) return byId("credential").focus();
    try {
      showWorkbench(await open({ credential, workspace }));
      byId("credential").value = "";
      byId("order-title").focus();
      announce("Signed in.");
    } catch (error) {
      if (!(error instanceof Problem || error instanceof ConnectionLost)) throw error;
      const box = problemBox(error);
      refill(byId("sign-in-problem"), box);
      box.focus();
    }
  });
  byId("sign-out").addEventListener("click", () => {
    session.write(null);
    history.replaceState(null, "", location.pathname);
    location.reload();
  });
  // A photo that misses its place must not replace the page.
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
  startTheme();
  void resume();
}

/** Goes on with the credential of this tab, if there is one and it is still good. */
async function resume() {
  const known = session.read();
  if (!known) return;
  try {
    showWorkbench(await open(known));
  } catch (error) {
    if (error instanceof Problem && error.status === 401) session.write(null);
    refill(byId("sign-in-problem"), problemBox(error));
  }
}

function startTheme() {
  const button = byId("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const label = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${button.textContent.toLowerCase()}`);
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(THEME, theme);
    } catch {
      // It lasts as long as the page.
    }
    label();
  });
  system.addEventListener("change", label);
  label();
}

start();
