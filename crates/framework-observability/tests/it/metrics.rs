use std::{sync::Arc, thread, time::Duration};

use framework_observability::{AppIdentity, HandledRequest, Metrics};

const GET: HandledRequest<'_> = HandledRequest {
    method: "GET",
    status: 200,
    took: Duration::ZERO,
    request_bytes: 0,
    response_bytes: 0,
};

#[test]
fn no_request_is_lost_between_threads() {
    let metrics = Arc::new(Metrics::new(&AppIdentity::new("shop")));
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for n in 0..1000_u64 {
                    metrics.http().started();
                    let took = Duration::from_millis(n);
                    let request = HandledRequest { took, request_bytes: n, ..GET };
                    metrics.http().finished(&format!("/{}", n % 10), &request);
                }
            });
        }
    });
    let text = metrics.render(None).text;
    for route in 0..10 {
        let labels = format!("method=\"GET\",route=\"/{route}\"");
        let name = "framework_http_server_request";
        for line in [
            format!("{name}_duration_seconds_count{{{labels},status=\"200\"}} 800\n"),
            format!("{name}_body_size_bytes_count{{{labels}}} 800\n"),
        ] {
            assert!(text.contains(&line), "{line}");
        }
    }
    assert!(text.contains("framework_http_server_active_requests 0\n"));
}
