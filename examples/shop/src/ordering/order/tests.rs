use proptest::prelude::*;

use super::*;

fn wanted(sku: &str, quantity: i64) -> Wanted {
    Wanted { sku: sku.to_owned(), quantity }
}

fn faults(items: Vec<Wanted>) -> String {
    let settings = OrderingSettings { max_lines: 3, max_quantity: 10, ..Default::default() };
    match (NewOrder { items }).check(&settings) {
        Ok(()) => "none".to_owned(),
        Err(problem) => {
            let document: serde_json::Value = serde_json::from_str(&problem.to_json()).unwrap();
            let errors = document["errors"].as_array().unwrap().iter();
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let lines: Vec<_> = errors
                .map(|error| format!("{} {}", text(&error["pointer"]), text(&error["detail"])))
                .collect();
            lines.join("\n")
        }
    }
}

#[test]
fn an_order_within_the_limits_is_taken() {
    assert_eq!(faults(vec![wanted("A", 1), wanted("B", 10)]), "none");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let items = vec![wanted("A", 0), wanted("B", 11), wanted("A", -1)];
    insta::assert_snapshot!(faults(items), @"
    /items/0/quantity must be from 1 to 10
    /items/1/quantity must be from 1 to 10
    /items/2/quantity must be from 1 to 10
    /items/2/sku is in the order already
    ");
    insta::assert_snapshot!(faults(vec![]), @"/items must not be empty");
    insta::assert_snapshot!(faults(vec![wanted("A", 1); 4]), @"/items must have at most 3 entries");
}

proptest! {
    #[test]
    fn the_total_is_right_or_refused(
        lines in prop::collection::vec((0..=i64::MAX, 1..=1000_i64), 0..20),
    ) {
        let priced = |(price_cents, quantity)| Priced { sku: String::new(), quantity, price_cents };
        let items: Vec<_> = lines.iter().copied().map(priced).collect();
        let exact: i128 = lines.iter().map(|(p, q)| i128::from(*p) * i128::from(*q)).sum();
        prop_assert_eq!(total_cents(&items), i64::try_from(exact).ok());
    }
}
