use framework_app::App;
use framework_cli::{Console, Exit};
use framework_core::ErrorCode;

static OWN: ErrorCode =
    ErrorCode { id: "E9001", title: "the moon is full", page: "Wait for a week." };

fn explain(code: &str) -> (Exit, String, String) {
    let app = App::builder("shop").codes(&[&OWN]);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit =
        framework_cli::run(app, ["shop", "explain", code], &mut Console::to(&mut out, &mut err));
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn an_application_can_have_codes_of_its_own() {
    let (exit, out, _) = explain("E9001");
    assert_eq!(
        (exit, out.as_str()),
        (Exit::Clean, "E9001: the moon is full\n\nWait for a week.\n")
    );
}

#[test]
fn a_mistyped_code_is_told_which_one_may_be_meant() {
    let (exit, _, err) = explain("E9002");
    assert_eq!(exit, Exit::Usage);
    assert_eq!(
        err,
        "error: `E9002` is not the code of an error\n\nhelp: did you mean E9001, the moon is full?\n",
    );
    let (_, _, err) = explain("moon");
    assert!(err.ends_with("help: `shop explain` lists all codes\n"), "{err}");
}
