use framework::testing::assert_lifecycle_safe;

#[test]
fn no_failure_panic_hang_or_stop_leaves_anything_behind() {
    assert_lifecycle_safe(hello::app);
}
