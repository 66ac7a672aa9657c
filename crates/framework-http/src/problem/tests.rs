use super::*;

#[test]
fn a_bare_status_makes_a_whole_document() {
    assert_eq!(
        Problem::conflict().to_json(),
        r#"{"type":"about:blank","title":"Conflict","status":409}"#,
    );
}

#[test]
fn every_member_comes_in_the_order_of_the_rfc_and_extensions_cannot_replace_one() {
    let problem = Problem::conflict()
        .extension("status", 200)
        .extension("sku", "A-1")
        .instance("/orders/7")
        .detail("only 2 are left")
        .title("Out of stock")
        .type_uri("https://shop.example/problems/out-of-stock")
        .extension("available", 2);
    assert_eq!(
        problem.to_json(),
        concat!(
            r#"{"type":"https://shop.example/problems/out-of-stock","title":"Out of stock","#,
            r#""status":409,"detail":"only 2 are left","instance":"/orders/7","#,
            r#""available":2,"sku":"A-1"}"#,
        ),
    );
    assert_eq!(problem.to_string(), "409 Out of stock: only 2 are left");
}

#[test]
fn an_internal_error_says_nothing_of_itself() {
    let problem = Problem::internal("password `hunter2` was refused by db-3");
    let text = problem.to_json();
    assert!(text.contains(r#""status":500"#), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("db-3"), "{text}");
}

#[test]
fn headers_come_with_the_response() {
    let response = Problem::too_many_requests()
        .header(header::RETRY_AFTER, HeaderValue::from_static("7"))
        .into_response();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()[header::RETRY_AFTER], "7");
    assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
}
