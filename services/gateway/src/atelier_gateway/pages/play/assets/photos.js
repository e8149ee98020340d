/** The photos of an order, by role: chosen, dropped or taken, and uploaded at once. */
import { ConnectionLost, newKey, Problem } from "./api.js";
import { announce, el, newId } from "./dom.js";
import { fileSize } from "./words.js";

const BYTES_MAX = 25 * 1024 * 1024;
/** A photo that the object store's address does not take is sent inside the request, if it is small enough. */
const INLINE_BYTES_MAX = 8 * 1024 * 1024;
const TYPES = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  heic: "image/heic",
  heif: "image/heif",
  avif: "image/avif",
  gif: "image/gif",
};
const ACCEPTED = ["image/*", ...Object.keys(TYPES).map((ending) => `.${ending}`)].join(",");

/** One place for photos: a role of a kind. */
export class PhotoSlot {
  /** `changed` is called whenever the photos or their states change. */
  constructor(api, [role, label, hint, fewest, most], changed) {
    Object.assign(this, { api, role, label, most, changed, photos: [] });
    this.chooser = this.input(`Choose ${most > 1 ? "photos" : "a photo"}`, { multiple: most > 1 });
    this.camera = this.input("Take one", { capture: role === "person" ? "user" : "environment" }, "camera");
    this.list = el("ul", { class: "photos" });
    const title = newId("slot");
    const need = fewest ? "" : el("span", { class: "note" }, " optional");
    this.element = el(
      "div",
      { class: "slot", role: "group", "aria-labelledby": title },
      el("p", { class: "slot-title", id: title }, label, need),
      this.list,
      el("div", { class: "slot-acts" }, this.chooser, this.camera, el("small", { class: "note" }, hint)),
    );
    this.takeDrops();
  }

  get uploaded() {
    return this.photos.filter((photo) => photo.source);
  }

  /** The uploaded photos as inputs of a request. */
  get inputs() {
    return this.uploaded.map(({ source }) => ({ role: this.role, ...source }));
  }

  /** Names and types of the same photos. */
  get files() {
    return this.uploaded.map(({ name, type }) => ({ name, type }));
  }

  get isBusy() {
    return this.photos.some((photo) => photo.state === "uploading");
  }

  /** Shows what the service says of a photo. */
  refuse(photo, message) {
    this.mark(photo, "refused", message);
  }

  input(text, attributes, extra = "") {
    const id = newId("file");
    const control = el("input", { id, type: "file", accept: ACCEPTED, class: "unseen", ...attributes });
    control.addEventListener("change", () => {
      this.add([...control.files]);
      control.value = "";
    });
    return el("span", { class: `file ${extra}` }, control, el("label", { for: id, class: "button" }, text, el("span", { class: "unseen" }, `: ${this.label}`)));
  }

  takeDrops() {
    const over = (isOver) => this.element.classList.toggle("over", isOver);
    this.element.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(true);
    });
    this.element.addEventListener("dragleave", () => over(false));
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      this.add([...event.dataTransfer.files]);
    });
  }

  add(files) {
    for (const file of files) {
      if (this.photos.length >= this.most) {
        if (this.most > 1) break;
        this.remove(this.photos[0]);
      }
      const photo = { file, name: file.name || "photo", type: typeOf(file), state: "uploading", url: URL.createObjectURL(file) };
      this.photos.push(photo);
      this.show(photo);
      void this.upload(photo);
    }
    this.changed();
  }

  async upload(photo) {
    const { file, name, type } = photo;
    if (!type) return this.mark(photo, "refused", "This is no picture that can be used: PNG, JPEG, WebP, HEIC, AVIF or GIF.");
    if (file.size > BYTES_MAX) return this.mark(photo, "refused", `It has ${fileSize(file.size)}; ${fileSize(BYTES_MAX)} are allowed.`);
    try {
      const body = { filename: name, content_type: type, size_bytes: file.size };
      const target = await this.api.postOnce("/v1/uploads", body, newKey());
      photo.id = target.id;
      photo.source = (await put(target, file)) ? { key: target.key } : await inlineSource(file, type);
      this.mark(photo, "ready", "");
    } catch (error) {
      if (!(error instanceof Problem || error instanceof ConnectionLost)) throw error;
      this.mark(photo, "refused", error instanceof Problem ? error.message : "The connection was lost. Remove it and try again.");
    }
  }

  remove(photo) {
    this.photos = this.photos.filter((other) => other !== photo);
    URL.revokeObjectURL(photo.url);
    photo.element.remove();
    // Courtesy only: an upload that nothing is made of is deleted after a day anyway, one that is used stays.
    if (photo.id) this.api.call("DELETE", `/v1/uploads/${photo.id}`).catch(() => {});
    this.changed();
  }

  show(photo) {
    const picture = el("img", { src: photo.url, alt: "", width: 96, height: 96 });
    picture.addEventListener("error", () => picture.replaceWith(el("span", { class: "no-preview" }, endingOf(photo.name))));
    photo.said = el("small", { class: "note" }, "Uploading …");
    const remove = () => {
      this.remove(photo);
      announce(`${photo.name} removed.`);
      this.chooser.querySelector("input").focus();
    };
    photo.element = el(
      "li",
      { "data-state": "uploading" },
      picture,
      el("span", { class: "photo-words" }, el("span", { class: "photo-name" }, photo.name), photo.said),
      el("button", { type: "button", class: "remove", "aria-label": `Remove ${photo.name}`, onclick: remove }, "×"),
    );
    this.list.append(photo.element);
  }

  mark(photo, state, message) {
    photo.state = state;
    if (state === "refused") photo.source = undefined;
    photo.element.dataset.state = state;
    photo.said.textContent = message || fileSize(photo.file.size);
    announce(state === "ready" ? `${photo.name} uploaded.` : `${photo.name}: ${message}`);
    this.changed();
  }
}

/** Whether the object store took the bytes. An error that says nothing may be its lack of a rule for this page. */
async function put(target, file) {
  try {
    const { upload_url: url, method, headers } = target;
    return (await fetch(url, { method, headers, body: file, credentials: "omit" })).ok;
  } catch {
    return false;
  }
}

async function inlineSource(file, type) {
  if (file.size > INLINE_BYTES_MAX) throw new ConnectionLost("The object store took no bytes.");
  const reader = new FileReader();
  await new Promise((resolve, reject) => {
    reader.onload = resolve;
    reader.onerror = () => reject(new ConnectionLost("The file cannot be read."));
    reader.readAsDataURL(file);
  });
  return { data: `data:${type};base64,${reader.result.split(",")[1]}` };
}

const endingOf = (name) => (name.includes(".") ? name.split(".").pop().toUpperCase() : "?").slice(0, 5);

/** Some systems do not know HEIC and give it no type: the ending says it then. */
function typeOf(file) {
  const known = Object.values(TYPES);
  return known.includes(file.type) ? file.type : TYPES[endingOf(file.name ?? "").toLowerCase()];
}
