/* Passkeys: a form with data-passkey="create" or "get" asks the browser for one and sends what it gave. */

import { toast } from "./toast.js";

function isSupported() {
  return Boolean(window.PublicKeyCredential?.parseCreationOptionsFromJSON);
}

/** What the server wants: in the form, or asked for where it changes with each try. */
async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${form.action} answered ${answer.status}`);
  return (await answer.json()).request_options;
}

async function credentialFor(form) {
  const { publicKey } = await optionsOf(form);
  if (form.dataset.passkey === "create") {
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
  }
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = !isSupported();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      const credential = await credentialFor(form);
      form.elements.credential.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch {
      button.disabled = false;
      toast(gettext("No passkey was used. Try again, or log in another way."), "warning");
    }
  });
}
