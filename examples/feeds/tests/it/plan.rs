/// The application's own part of the plan: what the layers bring along is theirs to test.
fn own(plan: &str) -> String {
    let mut shown = false;
    let own = plan.lines().filter(|line| {
        if !line.starts_with(' ') {
            let module = line.split(' ').next().unwrap_or_default();
            shown = ["infra", "fetching", "parsing", "publishing", "feeds"].contains(&module);
        }
        shown
    });
    own.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_application_is_wired() {
    let plan = feeds::app().plan().expect("every need is met");
    insta::assert_snapshot!(own(&plan.to_string()), @"
    infra after config (contributes configuration sections, contributes readers of the configuration)
        Database
    fetching after config (contributes configuration sections, contributes readers of the configuration) and worker-pool (needs `WorkerPool`) and ipc (needs `Peers`)
        Fetcher, from WorkerPool, Peers
    parsing after worker-pool (needs `WorkerPool`)
        Parser, from WorkerPool
    publishing after config (contributes configuration sections, contributes readers of the configuration) and worker-pool (needs `WorkerPool`)
        Publisher, from WorkerPool
    feeds after config (contributes configuration sections, contributes readers of the configuration) and infra (needs `Database`) and fetching (needs `Fetcher`) and parsing (needs `Parser`) and publishing (needs `Publisher`)
        FeedStore, from Database
        Refresher, from FeedStore, Fetcher, Parser, Publisher
    ");
}
