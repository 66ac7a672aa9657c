//! A start takes as long as the longest path through it.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 16] = [
    "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11", "m12", "m13", "m14",
    "m15",
];

fn sleeping(millis: &[u64], edges: &[(usize, usize)]) -> AppBuilder {
    app((0..millis.len()).map(|at| {
        let took = Duration::from_millis(millis[at]);
        let needs: Vec<_> =
            edges.iter().filter(|(_, after)| *after == at).map(|(before, _)| *before).collect();
        module(NAMES[at], move |reg| {
            reg.provide_named::<u8, _, _>(NAMES[at], move |_cx| async move {
                tokio::time::sleep(took).await;
                Ok(1.into())
            });
            for before in needs {
                reg.need_named::<u8>(NAMES[before]);
            }
        })
    }))
}

fn longest_path(millis: &[u64], edges: &[(usize, usize)]) -> Duration {
    let mut ends = vec![0; millis.len()];
    for at in 0..millis.len() {
        let before =
            edges.iter().filter(|(_, after)| *after == at).map(|(before, _)| ends[*before]);
        ends[at] = before.max().unwrap_or(0) + millis[at];
    }
    Duration::from_millis(ends.into_iter().max().unwrap_or(0))
}

fn dag() -> impl Strategy<Value = (Vec<u64>, Vec<(usize, usize)>)> {
    prop::collection::vec(1_u64..60, 2..NAMES.len()).prop_flat_map(|millis| {
        let len = millis.len();
        let edge = (0..len, 0..len)
            .prop_filter("an edge to itself", |(a, b)| a != b)
            .prop_map(|(a, b)| (a.min(b), a.max(b)));
        (Just(millis), prop::collection::vec(edge, 0..2 * len))
    })
}

proptest! {
    #[test]
    fn makespan_of_a_start_is_the_longest_path((millis, edges) in dag()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (took, path, saving) = runtime.block_on(async {
            let running = sleeping(&millis, &edges).build().unwrap().start().await.unwrap();
            let report = running.report().clone();
            running.stop(asked()).await.unwrap();
            let path: Duration = report.critical_path().iter().map(|module| module.took).sum();
            let last = report.critical_path().last().map(|module| report.saving(module.name));
            (report.took(), path, last)
        });
        let longest = longest_path(&millis, &edges);
        let most = longest.mul_f64(1.05) + Duration::from_millis(5);
        prop_assert!(took >= longest && took <= most, "{took:?} for {longest:?}");
        prop_assert!(path <= most && path + Duration::from_millis(5) >= longest, "{path:?} for {longest:?}");
        prop_assert!(saving.is_some_and(|saving| saving <= took));
    }
}

#[tokio::test(start_paused = true)]
async fn the_report_names_the_critical_path_and_what_each_module_costs() {
    let app = sleeping(&[3, 640, 120, 49, 10], &[(0, 1), (1, 2), (2, 3), (0, 4)]);
    let running = app.build().unwrap().start().await.unwrap();
    let report = running.report().clone();
    running.stop(asked()).await.unwrap();
    let path: Vec<_> = report.critical_path().iter().map(|module| module.name).collect();
    assert_eq!(path, ["m0", "m1", "m2", "m3"]);
    assert_eq!(report.saving("m4"), Duration::ZERO);
    let text = report.to_string();
    assert!(text.contains(": m0 3 ms -> m1 640 ms -> m2 120 ms -> m3 49 ms\n"), "{text}");

    let trace: serde_json::Value = serde_json::from_str(&report.to_perfetto()).unwrap();
    let slices = trace["traceEvents"].as_array().unwrap();
    let db = slices.iter().find(|slice| slice["name"] == "m1" && slice["ph"] == "X").unwrap();
    assert!(db["dur"].as_f64().unwrap() >= 640_000.0);
    assert!(slices.iter().any(|slice| slice["cat"] == "construct"));
}
