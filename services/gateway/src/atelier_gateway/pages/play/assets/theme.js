/** Sets the theme that was chosen here before the page is painted. Without a choice the system's is used. */
"use strict";
try {
  const chosen = localStorage.getItem("atelier.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that stores nothing follows the system.
}
