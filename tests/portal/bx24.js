/*
 * Stands in for the vendor's script at https://api.bitrix24.com/api/v1/, which tests cannot reach.
 *
 * It speaks the same protocol to the portal's page around the frame:
 *   the frame's name     DOMAIN|PROTOCOL|APP_SID; without it the script gives up, and BX24 is null
 *   frame → portal       command:{parameters as JSON}:id of the callback:APP_SID, to the portal's origin and no other
 *   portal → frame       id of the callback:{answer as JSON}; what comes from another origin is not read
 * and keeps the vendor's order: callbacks of init wait for the answer to getInitData, and installFinish does nothing
 * in an app that is installed.
 */
(function () {
  "use strict";

  var callbacks = {}, waiting = [], data = null, number = 0;
  var name = (window.name || "").split("|");
  var domain = name[0].replace(/:(80|443)$/, ""), scheme = parseInt(name[1], 10) ? "https" : "http", session = name[2];

  window.BX24 = null;
  if (!domain || !session) throw new Error("Unable to initialize Bitrix24 JS library!");

  function send(command, parameters, callback) {
    var id = "";
    if (callback) callbacks[id = "c" + ++number] = callback;
    var text = [command, parameters ? JSON.stringify(parameters) : "", id, session].join(":");
    parent.postMessage(text, scheme + "://" + domain);
  }

  function size() {
    var root = document.documentElement;
    return {
      scrollWidth: Math.max(root.scrollWidth, root.offsetWidth),
      scrollHeight: Math.max(root.scrollHeight, root.offsetHeight),
    };
  }

  function later(callback) {
    setTimeout(callback.bind(document), 10);
  }

  window.addEventListener("message", function (event) {
    if (event.origin !== scheme + "://" + domain || typeof event.data !== "string") return;
    var colon = event.data.indexOf(":"), callback = callbacks[event.data.slice(0, colon)];
    if (callback) callback(JSON.parse(event.data.slice(colon + 1) || "[]"));
  });

  window.BX24 = {
    init: function (callback) { data ? later(callback) : waiting.push(callback); },
    installFinish: function () { send("setInstallFinish", {}); },
    fitWindow: function (callback) {
      send("resizeWindow", { width: "100%", height: size().scrollHeight }, callback);
    },
    resizeWindow: function (width, height, callback) {
      send("resizeWindow", { width: parseInt(width, 10), height: parseInt(height, 10) }, callback);
    },
    getScrollSize: size,
    setTitle: function (title, callback) { send("setTitle", { title: String(title) }, callback); },
    getLang: function () { return data.LANG; },
    getDomain: function () { return domain; },
    isAdmin: function () { return !!data.IS_ADMIN; },
    getAuth: function () {
      return { access_token: data.AUTH_ID, expires_in: data.AUTH_EXPIRES, domain: domain, member_id: data.MEMBER_ID };
    },
    placement: { info: function () { return { placement: data.PLACEMENT, options: data.PLACEMENT_OPTIONS }; } },
  };

  send("getInitData", null, function (answer) {
    data = answer;
    if (!data.INSTALL) BX24.installFinish = function () {};
    waiting.splice(0).forEach(later);
  });
})();
