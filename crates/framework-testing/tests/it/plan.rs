use framework_app::App;
use framework_core::module_fn;
use framework_testing::{assert_plan, plan_text};

use crate::demo;

#[test]
fn a_plan_is_compared_as_text_whatever_its_indentation() {
    assert_plan!(demo::app(), @"
        data
            Pool
        mail (optional) after data (needs `Pool`)
        cache after data (needs `Pool`)
            Cache
        orders after data (needs `Pool`) and cache (needs `Cache`)
            Orders
        api after orders (needs `Orders`)
        notes
    ");
}

#[test]
#[should_panic = "- data\n+ date\n"]
fn a_plan_that_is_another_is_told_by_its_lines() {
    assert_plan!(App::builder("test").module(module_fn("date", |_reg| ())), @"data");
}

#[test]
fn a_plan_that_is_wrong_is_told_in_its_own_words() {
    let app = || App::builder("test").module(module_fn("a", |reg| drop(reg.need::<u16>())));
    let told = std::panic::catch_unwind(|| plan_text(app())).unwrap_err();
    let expected = app().plan().unwrap_err().to_string();
    assert_eq!(told.downcast_ref::<String>(), Some(&expected));
}
