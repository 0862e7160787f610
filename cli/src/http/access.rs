//! Who may ask: those who know the token, and no web page of a stranger.
//!
//! A browser that shows a stranger's page sends requests for it to any address, this host's too. What is not for all to see
//! is served only to requests that name this server as their host (a name of the stranger's could be made to lead here: DNS
//! rebinding), and that no other page sent.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use super::refusal::Refusal;
use super::token::Token;

/// Where a browser says which page a request is from (<https://www.w3.org/TR/fetch-metadata/>).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who may ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The names that lead here, besides `localhost`.
    names: Vec<String>,
    token: Option<Token>,
}

impl Access {
    /// Those who ask `localhost`, one of these names or any IP address; and know the token, where there is one.
    pub(crate) fn new(names: impl IntoIterator<Item = String>, token: Option<Token>) -> Self {
        Self(Arc::new(Inner { names: names.into_iter().collect(), token }))
    }

    /// Refuses a request that reached this server by a name that is not its own.
    fn host<'a>(&self, request: &'a Request) -> Result<&'a str, Refusal> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "a request has one Host header"));
        };
        let text = host.to_str().unwrap_or_default();
        let target = request.uri().authority().map_or(text, Authority::as_str);
        if [text, target].iter().all(|authority| self.is_ours(authority)) {
            return Ok(text);
        }
        let error = format!("this server is not called {}", shown(host));
        let hint = "use its IP address or `localhost`, or start it with the name in place of the address";
        Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, error).hint(hint))
    }

    /// Whether the host of an authority is this one. Any IP address is: no name had to be looked up for it, and behind a
    /// router that translates addresses it is none of this host's.
    fn is_ours(&self, authority: &str) -> bool {
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
            None => {
                let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
                let is_ours = |name: &String| name.eq_ignore_ascii_case(host);
                let is_name = host.eq_ignore_ascii_case("localhost") || self.0.names.iter().any(is_ours);
                (is_name || host.parse::<Ipv4Addr>().is_ok(), port)
            }
        };
        host && (port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()))
    }

    fn token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.0.token else { return Ok(()) };
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let bearer = given.and_then(|given| given.split_at_checked("Bearer ".len()));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
        match bearer {
            Some((_, given)) if token.is(given) => Ok(()),
            _ => {
                let error = if given.is_some() { "this is not the token" } else { "a token is needed" };
                let hint = "send it as `Authorization: Bearer TOKEN`; open the page as /#token=TOKEN";
                Err(Refusal::new(StatusCode::UNAUTHORIZED, error).hint(hint))
            }
        }
    }
}

/// Routes for clients that may ask, and others for every client that reaches this server by its own name. No response is kept or
/// taken for something else by a browser, or used by another page; what is not routed is refused in JSON.
pub(crate) fn guarded(private: Router, public: Router, access: &Access) -> Router {
    let refusing = |routes: Router| routes.method_not_allowed_fallback(not_allowed);
    let private = refusing(private).layer(from_fn_with_state(access.clone(), self::private));
    let public = refusing(public.fallback(not_found)).layer(from_fn_with_state(access.clone(), self::public));
    private.merge(public).layer(from_fn(with_headers))
}

/// What no response may lack that has not its own.
async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in headers {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this address")
}

async fn not_allowed() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this method does nothing here")
}

/// Lets requests pass to what anybody may see who reaches this server by its own name.
async fn public(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.host(&request) {
        Ok(_) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Lets those requests pass that are not another page's, and have the token.
async fn private(State(access): State<Access>, request: Request, next: Next) -> Response {
    let outcome = access.host(&request).and_then(|host| same_origin(request.headers(), host));
    match outcome.and_then(|()| access.token(request.headers())) {
        Ok(()) => next.run(request).await,
        Err(refusal) if refusal.status() == StatusCode::UNAUTHORIZED => {
            ([(WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Refuses what a page of another origin sends; programs that are no browsers send no origin.
fn same_origin(headers: &HeaderMap, host: &str) -> Result<(), Refusal> {
    let refused = |from: &HeaderValue| {
        let error = format!("this request is from another page: {}", shown(from));
        Err(Refusal::new(StatusCode::FORBIDDEN, error).hint("only the page of this server may send requests to it"))
    };
    let own = format!("http://{host}");
    for origin in headers.get_all(ORIGIN) {
        if !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()) {
            return refused(origin);
        }
    }
    // Images and the like have no origin.
    for site in headers.get_all(FETCH_SITE) {
        if site != "same-origin" && site != "none" {
            return refused(site);
        }
    }
    Ok(())
}

/// What a client wrote, as far as it is printable.
fn shown(value: &HeaderValue) -> String {
    format!("'{}'", value.as_bytes().escape_ascii())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;

    use super::*;
    use crate::http::client::{Answer, ask};
    use crate::http::{Purpose, Served, serve};

    const TOKEN: &str = "a+token/of24characters==";

    fn served(token: Option<&str>) -> (Served, SocketAddr) {
        let token = token.map(|token| Token::new(token.as_bytes()).unwrap());
        let access = Access::new(["Lecture.example".to_owned()], token);
        let private = Router::new().route("/private", get("secret").post("done"));
        let routes = guarded(private, Router::new().route("/", get("page")), &access);
        let purpose = Purpose { attempt: "serve a page on", flag: "--page" };
        let served = serve(&["127.0.0.1:0".parse().unwrap()], routes, purpose).unwrap();
        let address = served.addresses()[0];
        (served, address)
    }

    fn statuses(server: SocketAddr, headers: &[&str]) -> [u16; 3] {
        ["GET /", "GET /private", "POST /private"].map(|request| ask(server, request, headers, "").status)
    }

    #[test]
    fn a_host_of_another_name_is_refused() {
        let (_served, server) = served(None);
        let ours = [
            "localhost",
            "LocalHost:80",
            "127.0.0.1:1",
            "[::1]:9",
            "192.0.2.1",
            "lecture.example:8",
            "LECTURE.example",
        ];
        for host in ours {
            assert_eq!(statuses(server, &[&format!("Host: {host}")]), [200; 3], "{host}");
        }
        let others = [
            "evil.example",
            "evil.example:80",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost.",
            "2130706433",
            "0x7f.1",
            "me@localhost",
            "localhost@evil.example",
            "[::1].evil.example",
            "[localhost]",
            "[127.0.0.1]",
            "::1",
            "a b",
            "localhost evil.example",
            "localhost/",
            "lecture.example.evil.example",
            "\u{e9}",
            "\u{1b}[31m",
            "",
        ];
        for host in others {
            let host = format!("Host: {host}");
            assert!(statuses(server, &[&host]).iter().all(|status| [400, 421].contains(status)), "{host}");
        }
        assert_eq!(statuses(server, &["Host: localhost", "Host: localhost"]), [400; 3]);
        assert_eq!(ask(server, "GET http://evil.example/private", &["Host: localhost"], "").status, 421);
        assert_eq!(ask(server, "GET http://localhost/private", &["Host: localhost"], "").status, 200);
        let answer = ask(server, "GET /", &["Host: evil.example"], "");
        let expected = serde_json::json!({
            "error": "this server is not called 'evil.example'",
            "hint": "use its IP address or `localhost`, or start it with the name in place of the address",
        });
        assert_eq!(answer.json(), expected);
    }

    #[test]
    fn a_request_without_a_host_is_refused() {
        let (_served, server) = served(None);
        let answer = crate::http::client::raw(server, "GET /private HTTP/1.0\r\n\r\n");
        assert_eq!(answer.status, 400);
    }

    #[test]
    fn what_another_page_sends_is_refused() {
        let (_served, server) = served(None);
        let own = format!("Origin: http://{server}");
        let ours: [&[&str]; 4] = [&[], &[&own], &[&own, "Sec-Fetch-Site: same-origin"], &["Sec-Fetch-Site: none"]];
        for headers in ours {
            assert_eq!(statuses(server, headers), [200; 3], "{headers:?}");
        }
        let port = server.port();
        let others = [
            "Origin: null".to_owned(),
            "Origin: http://evil.example".to_owned(),
            format!("Origin: http://evil.example:{port}"),
            format!("Origin: http://localhost:{port}"),
            format!("Origin: https://{server}"),
            format!("Origin: http://{server}.evil.example"),
            format!("Origin: http://{server}0"),
            "Origin: http://127.0.0.1".to_owned(),
            "Origin:".to_owned(),
            "Sec-Fetch-Site: cross-site".to_owned(),
            "Sec-Fetch-Site: same-site".to_owned(),
        ];
        for other in &others {
            assert_eq!(statuses(server, &[other]), [200, 403, 403], "{other}");
            assert_eq!(statuses(server, &[&own, other]), [200, 403, 403], "{other}");
        }
    }

    #[test]
    fn no_answer_may_be_read_by_another_page() {
        let (_served, server) = served(None);
        for (request, headers) in [("GET /private", &[][..]), ("OPTIONS /private", &["Origin: http://evil.example"])] {
            let Answer { headers, .. } = ask(server, request, headers, "");
            assert!(!headers.iter().any(|line| line.starts_with("access-control-")), "{headers:?}");
        }
    }

    #[test]
    fn who_has_no_token_sees_the_page_alone() {
        let (_served, server) = served(Some(TOKEN));
        for right in [format!("Authorization: Bearer {TOKEN}"), format!("authorization: bearer {TOKEN}")] {
            assert_eq!(statuses(server, &[&right]), [200; 3], "{right}");
        }
        let (shorter, mut other) = (&TOKEN[..TOKEN.len() - 1], TOKEN.to_owned());
        other.replace_range(..1, "X");
        let wrong = [
            "X: y".to_owned(),
            "Authorization:".to_owned(),
            "Authorization: Bearer".to_owned(),
            "Authorization: Bearer ".to_owned(),
            format!("Authorization: {TOKEN}"),
            format!("Authorization: Basic {TOKEN}"),
            format!("Authorization: Bearer {shorter}"),
            format!("Authorization: Bearer {TOKEN}x"),
            format!("Authorization: Bearer {other}"),
            format!("Authorization: Bearer {}", "x".repeat(4000)),
            format!("Cookie: token={TOKEN}"),
        ];
        for wrong in &wrong {
            assert_eq!(statuses(server, &[wrong]), [200, 401, 401], "{wrong}");
        }
        let answer = ask(server, "GET /private", &[], "");
        assert!(answer.headers.contains(&"www-authenticate: Bearer".to_owned()), "{answer:?}");
        assert_eq!(answer.json()["error"], "a token is needed");
        let by_address = format!("GET /private?token={TOKEN}");
        assert_eq!(ask(server, &by_address, &[], "").status, 401, "addresses are logged");
    }
}
