//! A headless Chromium that a test drives through the DevTools protocol, over a pipe: it opens no port, and ends with the test.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::Scratch;
use crate::common::netns::require;

/// Longer than anything takes that a page is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium reads its file 3 and writes its file 4. The sandbox needs what containers and root do not have; what is opened here
/// is our own page.
const START: &str = "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
    --disable-extensions --disable-background-networking --disable-component-update --remote-debugging-pipe \
    --user-data-dir=\"$HOME/profile\" about:blank 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<Value>,
    session: Option<String>,
    number: u64,
    /// Where the page's requests went.
    requested: Vec<String>,
    /// What the page's console says is wrong.
    errors: Vec<String>,
    _home: Scratch,
}

impl Browser {
    /// Starts one; `None`, or a panic where `UDP_REQUIRE_ALL=1`, where there is none.
    pub(crate) fn start() -> Option<Self> {
        if !require("chromium") {
            return None;
        }
        let home = Scratch::new();
        let mut command = Command::new("sh");
        command.args(["-c", START]).env("HOME", home.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("sh is started");
        let (requests, output) = (child.stdin.take(), child.stdout.take().expect("its output is piped"));
        let (answer, answers) = channel();
        thread::spawn(move || {
            let messages = BufReader::new(output).split(0).map_while(Result::ok);
            // Who asked may be gone.
            messages
                .map_while(|message| serde_json::from_slice(&message).ok())
                .try_for_each(|value| answer.send(value).ok())
        });
        let mut browser = Self {
            child,
            requests,
            answers,
            session: None,
            number: 0,
            requested: Vec::new(),
            errors: Vec::new(),
            _home: home,
        };
        let page = browser.ask("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.ask("Target.attachToTarget", json!({"targetId": page, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Sends a command; gives its result.
    pub(crate) fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut request = json!({"id": self.number, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let pipe = self.requests.as_mut().expect("the browser runs");
        write!(pipe, "{request}\0").expect("the browser reads");
        loop {
            let answer = self.answers.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{error} to {request}"));
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{answer} to {request}");
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let what = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => self.requested.extend(what["request"]["url"].as_str().map(str::to_owned)),
            "Runtime.exceptionThrown" => self.errors.push(what.to_string()),
            "Runtime.consoleAPICalled" if what["type"] == "error" || what["type"] == "warning" => {
                self.errors.push(what.to_string());
            }
            "Log.entryAdded" if what["entry"]["level"] == "error" => self.errors.push(what["entry"].to_string()),
            _ => (),
        }
    }

    /// Opens a page, once it is loaded.
    pub(crate) fn open(&mut self, address: &str) {
        self.ask("Page.navigate", json!({"url": address}));
        self.until("document.readyState === 'complete' && ['http:', 'file:'].includes(location.protocol)");
    }

    /// The value of an expression in the page; a promise is waited for.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.ask("Runtime.evaluate", asked);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    pub(crate) fn until(&mut self, condition: &str) {
        let wait = format!(
            "new Promise((done) => {{ let turns = 0; const look = () => (({condition}) ? done(true) : \
             (turns += 1) > 2500 ? done(false) : setTimeout(look, 10)); look(); }})"
        );
        if self.value(&wait) != true {
            let shown = self.value("document.body.innerText");
            panic!("not so after 25 s: {condition}\n{}\n{:?}", shown.as_str().unwrap_or_default(), self.errors);
        }
    }

    /// Presses a key: `Tab`, `Enter`, `ArrowDown` ...
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            " " => (32, " "),
            "End" => (35, ""),
            "Home" => (36, ""),
            "ArrowLeft" => (37, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            _ => panic!("no such key: {key}"),
        };
        let mut event = json!({"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code});
        if !text.is_empty() {
            event["text"] = json!(text);
        }
        self.ask("Input.dispatchKeyEvent", event.clone());
        event["type"] = json!("keyUp");
        self.ask("Input.dispatchKeyEvent", event);
    }

    /// Writes a text where the focus is.
    pub(crate) fn write(&mut self, text: &str) {
        self.ask("Input.insertText", json!({"text": text}));
    }

    /// Gives the focus to the element that a selector finds.
    pub(crate) fn focus(&mut self, selector: &str) {
        self.value(&format!("document.querySelector({selector:?}).focus()"));
    }

    /// Clicks on the element that a selector finds.
    pub(crate) fn click(&mut self, selector: &str) {
        self.value(&format!("document.querySelector({selector:?}).click()"));
    }

    /// The text of the element that a selector finds.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector({selector:?}).textContent"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The size of the page, in CSS pixels.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.ask("Emulation.setDeviceMetricsOverride", size);
    }

    /// What the page is told of the wishes of who reads it, such as `prefers-color-scheme`.
    pub(crate) fn prefer(&mut self, name: &str, value: &str) {
        self.ask("Emulation.setEmulatedMedia", json!({"features": [{"name": name, "value": value}]}));
    }

    /// Nothing was wrong, and all requests went to this address.
    pub(crate) fn assert_clean(&mut self, address: &str) {
        // Whatever was said before its answer is known then.
        self.value("1");
        let elsewhere: Vec<_> =
            self.requested.iter().filter(|url| !url.starts_with(address) && !url.starts_with("data:")).collect();
        assert!(elsewhere.is_empty(), "requests to {elsewhere:?}");
        assert!(!self.requested.is_empty(), "requests are seen");
        let mut errors = String::new();
        for error in &self.errors {
            let _ = writeln!(errors, "{error}");
        }
        assert!(errors.is_empty(), "{errors}");
    }
}

impl Drop for Browser {
    /// A browser ends when its pipe does.
    fn drop(&mut self) {
        drop(self.requests.take());
        loop {
            match self.answers.recv_timeout(PATIENCE) {
                Ok(_) => (),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    break;
                }
            }
        }
        let _ = self.child.wait();
    }
}
