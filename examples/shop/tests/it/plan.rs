#[test]
fn the_application_is_wired() {
    let plan = shop::app().plan().expect("every need is met");
    insta::assert_snapshot!(plan, @"");
}
