/*
 * The portal's page around an app: submits the form into the frame, and does what the vendor's script in it asks for.
 *
 * `PORTAL`, from the page, has the answer to getInitData, and where commands are written down.
 */
"use strict";

const frame = document.querySelector("iframe");

const COMMANDS = {
  getInitData: () => PORTAL.init,
  resizeWindow: ({ height }) => {
    frame.style.height = `${height}px`;
    return { width: frame.offsetWidth, height };
  },
  setTitle: ({ title }) => { document.title = title; },
  setInstallFinish: () => { if (!PORTAL.stays) location.reload(); },
};

async function obey(event) {
  if (event.source !== frame.contentWindow || typeof event.data !== "string") return;
  const [, command, parameters, callback, session] = /^(\w+):(.*):(\w*):(\w+)$/s.exec(event.data) ?? [];
  if (session !== PORTAL.session || !COMMANDS[command]) return;
  await fetch(PORTAL.log, { method: "POST", body: new URLSearchParams({ command, parameters }), keepalive: true });
  const answer = COMMANDS[command](parameters ? JSON.parse(parameters) : {});
  if (callback) event.source.postMessage(`${callback}:${JSON.stringify(answer ?? {})}`, event.origin);
}

let last = Promise.resolve(); // one command after the other, as they came
if (!PORTAL.isMute) addEventListener("message", (event) => { last = last.then(() => obey(event)); });
document.forms[0].submit();
