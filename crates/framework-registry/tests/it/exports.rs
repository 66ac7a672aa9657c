use framework_registry::Format;

use super::*;

fn plan() -> Plan {
    Plan::new([
        module("data", |reg| {
            reg.provide(|_cx| async { Ok(Vec::<u8>::new()) });
        }),
        module("orders", |reg| {
            reg.need::<Vec<u8>>();
            reg.optional();
            reg.setup("migrate", |_cx| async { Ok(()) });
        }),
    ])
    .unwrap()
}

#[test]
fn each_format_shows_the_modules_and_why_they_wait() {
    let export = |format| plan().graph().export(format);
    assert_eq!(export(Format::Text), plan().to_string());
    assert_eq!(
        export(Format::Mermaid),
        "flowchart TD\n    m0[\"data\"]\n    m1[\"orders (optional)\"]\n    \
         m1 -->|\"needs Vec&lt;u8&gt;\"| m0\n"
    );
    assert!(export(Format::Dot).contains("\"orders\" -> \"data\" [label=\"needs `Vec<u8>`\"];"));
    let json: serde_json::Value = serde_json::from_str(&export(Format::Json)).unwrap();
    assert_eq!(json["modules"][1]["waits_for"][0]["module"], "data");
    assert_eq!(json["modules"][1]["units"][0]["stage"], "setup");
    assert_eq!(json["hash"].as_str().unwrap().len(), 16);
    let svg = export(Format::Svg);
    assert_eq!(svg.matches("<rect").count(), 2);
    assert_eq!(svg.matches("<path").count(), 1);
    assert!(svg.contains("orders waits for data: needs `Vec&lt;u8&gt;`"));
}

#[test]
fn a_format_is_known_by_its_name() {
    for (name, format) in Format::ALL {
        assert_eq!(name.parse(), Ok(format));
    }
    let error = "png".parse::<Format>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`png` is not a format: use one of text, mermaid, dot, json, svg"
    );
}
