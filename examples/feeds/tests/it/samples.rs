//! Documents as they are found in the world: each is understood, or refused with its place.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use feeds::parsing::{ParseError, Parser};
use framework::{prelude::WorkerPool, process::PoolSettings};
use futures_util::{StreamExt as _, stream};
use proptest::{prelude::*, sample::Index, test_runner::TestRunner};

/// Real documents beside the workspace.
const REAL: &str = "../../../shared/feeds";

/// The project's own, which its benchmarks use, too.
const OWN: &str = "../../bench/samples";

/// The documents in a folder of this crate, in the order of their names; none without the folder.
fn documents(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = files.map(|file| file.expect("it comes in whole").path()).collect();
    paths.sort();
    paths
}

pub(crate) fn parser() -> Parser {
    Parser::new(Arc::new(
        WorkerPool::new(&PoolSettings::default()).expect("there are threads left"),
    ))
}

/// What becomes of a document, in a line.
async fn outcome(parser: &Parser, path: &Path) -> String {
    let name = path.file_name().expect("it is a file").display().to_string();
    let parsed = parser.parse(fs::read(path).expect("it is one").into(), None).await;
    match parsed {
        Ok(document) => {
            let dated = document.items.iter().filter(|item| item.date_published.is_some()).count();
            let format = serde_json::to_value(document.about.format).expect("it is text");
            let items = document.items.len();
            let title = document.about.title.unwrap_or_default();
            format!(
                "{name}: {} {items} items, {dated} dated, {title:?}",
                format.as_str().expect("it is text")
            )
        }
        Err(error @ ParseError::Document { .. }) => format!("{name}: refused, {error}"),
        Err(error) => panic!("{name}: {error}"),
    }
}

async fn outcomes(paths: &[PathBuf]) -> String {
    let parser = parser();
    let lines = stream::iter(paths).then(|path| outcome(&parser, path));
    lines.collect::<Vec<_>>().await.join("\n")
}

#[tokio::test]
async fn every_real_document_is_understood_or_refused_with_its_place() {
    let real = documents(REAL);
    if real.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "`{REAL}` is missing");
        #[expect(clippy::print_stderr, reason = "whoever reads the result should know of what")]
        {
            eprintln!("`{REAL}` is missing: only the project's own documents are looked through");
        }
        return;
    }
    assert_eq!(real.len(), 68);
    insta::assert_snapshot!(outcomes(&real).await, @r#"
    atom__atom_content_src.xml: atom 1 items, 0 dated, "~elly/blog"
    atom__atom_entry_1.xml: atom 1 items, 0 dated, ""
    atom__atom_example_1.xml: atom 1 items, 1 dated, "dive into mark"
    atom__atom_example_2.xml: atom 2 items, 0 dated, "The Register - Science"
    atom__atom_example_3.xml: atom 1 items, 1 dated, "The Akamai Blog"
    atom__atom_example_4.xml: atom 1 items, 0 dated, "ebm-papst product news"
    atom__atom_example_5.xml: atom 1 items, 0 dated, "USGS Magnitude 2.5+ Earthquakes, Past Hour"
    atom__atom_example_6.xml: atom 4 items, 0 dated, "Release notes from feed-rs"
    atom__atom_example_7.xml: atom 1 items, 1 dated, "Planet GNOME"
    atom__atom_example_reddit.xml: atom 1 items, 0 dated, "The Rust Programming Language"
    atom__atom_mediarss_newscred_1.xml: atom 1 items, 1 dated, ""
    atom__atom_mediarss_reddit_1.xml: atom 25 items, 25 dated, "newest submissions : homelab"
    atom__atom_mediarss_youtube_1.xml: atom 1 items, 1 dated, "PBS Space Time"
    atom__atom_pub_spec_1.xml: atom 1 items, 0 dated, ""
    atom__atom_relative.xml: atom 1 items, 0 dated, "Example Feed with Relative URLs"
    atom__atom_scattered.xml: atom 1 items, 1 dated, "Scattered Thoughts"
    atom__atom_spec_1.xml: atom 1 items, 0 dated, "Example Feed"
    atom__atom_xml_base.xml: atom 1 items, 0 dated, "my cool website title"
    jsonfeed__jsonfeed_elastic_1.1.json: json_feed 3 items, 2 dated, "Blog &#8211; InfluxData"
    jsonfeed__jsonfeed_example_1.json: json_feed 2 items, 2 dated, "Daring Fireball"
    jsonfeed__jsonfeed_spec_1.json: json_feed 1 items, 1 dated, "JSON Feed"
    rss0__rss_0.91_encoding_1.xml: rss0 1 items, 0 dated, "Dicas-L: Dicas técnicas de Linux e Software Livre"
    rss0__rss_0.91_encoding_2.xml: rss0 1 items, 0 dated, "Tribunal de Justiça do Estado do Rio Grande do Sul"
    rss0__rss_0.91_missing_id.xml: rss0 1 items, 0 dated, "Servicio de Personal - Ingreso - Diputación de valencia"
    rss0__rss_0.91_spec_1.xml: rss0 2 items, 0 dated, "WriteTheWeb"
    rss0__rss_0.92_spec_1.xml: rss0 3 items, 0 dated, "Dave Winer: Grateful Dead"
    rss1__rss_1.0_biorxiv.xml: rss1 1 items, 1 dated, "bioRxiv Subject Collection: Genomics"
    rss1__rss_1.0_debian.xml: rss1 1 items, 1 dated, "Debian News"
    rss1__rss_1.0_example_1.xml: rss1 2 items, 1 dated, "Feed title"
    rss1__rss_1.0_example_2.xml: rss1 1 items, 1 dated, "planet.freedesktop.org"
    rss1__rss_1.0_iso8859.xml: rss1 1 items, 1 dated, "Golem.de"
    rss1__rss_1.0_spec_1.xml: rss1 2 items, 0 dated, "XML.com"
    rss1__rss_1.0_spec_2.xml: rss1 1 items, 0 dated, "Meerkat"
    rss2__rss_2.0_anchorfm.xml: rss2 1 items, 1 dated, "It’s Not Always Special"
    rss2__rss_2.0_bbc.xml: rss2 1 items, 1 dated, "In Our Time"
    rss2__rss_2.0_ch9.xml: rss2 1 items, 1 dated, "Azure Friday (HD) - Channel 9"
    rss2__rss_2.0_cloudflare.xml: rss2 1 items, 1 dated, "The Cloudflare Blog"
    rss2__rss_2.0_dbengines.xml: rss2 1 items, 1 dated, "DB-Engines.com Blog"
    rss2__rss_2.0_element_io.xml: rss2 1 items, 1 dated, "Element Blog"
    rss2__rss_2.0_encoding_1.xml: rss2 1 items, 1 dated, "RSS Feed do Site Inovação Tecnológica"
    rss2__rss_2.0_example_1.xml: rss2 1 items, 1 dated, "RSS Title"
    rss2__rss_2.0_example_2.xml: rss2 1 items, 1 dated, "NASA Breaking News"
    rss2__rss_2.0_example_3.xml: rss2 1 items, 1 dated, "News, Politics, Opinion, Commentary, and Analysis"
    rss2__rss_2.0_example_4.xml: rss2 1 items, 1 dated, "Earthquakes today"
    rss2__rss_2.0_example_5.xml: rss2 1 items, 1 dated, "Ars Technica"
    rss2__rss_2.0_example_6.xml: rss2 1 items, 1 dated, "Latest Movie Trailers"
    rss2__rss_2.0_ghost_1.xml: rss2 1 items, 0 dated, ""
    rss2__rss_2.0_ghost_2.xml: rss2 1 items, 1 dated, "Changelog"
    rss2__rss_2.0_heated.xml: rss2 1 items, 1 dated, "HEATED"
    rss2__rss_2.0_ilgiornale.xml: rss2 1 items, 1 dated, "Il Giornale - Cronache"
    rss2__rss_2.0_ilmessaggero.xml: rss2 1 items, 1 dated, "ilmessaggero.it - mondo"
    rss2__rss_2.0_invalid_1.xml: refused, line 19, column 85: the document ends before `</channel>`
    rss2__rss_2.0_kdist.xml: rss2 1 items, 1 dated, "Latest Linux Kernel Versions"
    rss2__rss_2.0_matrix.xml: rss2 1 items, 1 dated, "matrix.org"
    rss2__rss_2.0_nbcny.xml: rss2 1 items, 0 dated, "NBC New York"
    rss2__rss_2.0_nightvale.xml: rss2 1 items, 1 dated, "Welcome to Night Vale"
    rss2__rss_2.0_reddit.xml: atom 1 items, 1 dated, "reddit.com: search results - site:kevincox.ca"
    rss2__rss_2.0_relurl_1.xml: rss2 2 items, 2 dated, "Insanity Industries"
    rss2__rss_2.0_relurl_2.xml: rss2 1 items, 1 dated, "Relative Enclosure URL example feed"
    rss2__rss_2.0_rps.xml: rss2 1 items, 1 dated, "Rock, Paper, Shotgun"
    rss2__rss_2.0_spec_1.xml: rss2 2 items, 2 dated, "Scripting News"
    rss2__rss_2.0_spiegel.xml: rss2 1 items, 1 dated, "SPIEGEL Update – Die Nachrichten"
    rss2__rss_2.0_spreaker.xml: rss2 1 items, 1 dated, "Lwowska Fala | Radio Katowice"
    rss2__rss_2.0_vimeo_media.xml: rss2 1 items, 1 dated, "Vimeo / Failla Wines’s videos"
    rss2__rss_2.0_wirecutter.xml: rss2 1 items, 1 dated, "Wirecutter: Reviews for the Real World"
    xml__xml_iso8859.xml: refused, line 2, column 1: `rdf` is not the root of a feed, which is `rss`, `feed` or `RDF`
    xml__xml_sample_1.xml: refused, line 2, column 1: `catalog` is not the root of a feed, which is `rss`, `feed` or `RDF`
    xml__xml_sample_2.xml: refused, line 2, column 1: `catalog` is not the root of a feed, which is `rss`, `feed` or `RDF`
    "#);
}

#[tokio::test]
async fn the_projects_own_documents_are_understood() {
    insta::assert_snapshot!(outcomes(&documents(OWN)).await, @r#"
    atom.xml: atom 10 items, 0 dated, "Harbour notes"
    feed.json: json_feed 12 items, 12 dated, "Harbour notes"
    rss.xml: rss2 12 items, 12 dated, "Harbour notes"
    "#);
}

#[test]
fn a_document_that_was_damaged_is_understood_or_refused_with_its_place() {
    let own = documents(OWN).into_iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let parser = parser();
    let damage = (
        any::<Index>(),
        any::<Index>(),
        proptest::collection::vec(
            (any::<Index>(), prop_oneof![Just(b'<'), Just(b'&'), any::<u8>()]),
            0..6,
        ),
    );
    let checked = TestRunner::default().run(&damage, |(which, end, bytes)| {
        let mut document = which.get(&own).clone();
        for (place, byte) in bytes {
            *place.get_mut(&mut document) = byte;
        }
        document.truncate(end.index(2 * document.len()).max(1));
        let parsed = runtime.block_on(parser.parse(document.clone().into(), None));
        if let Err(error) = parsed {
            let ParseError::Document { place, .. } = error else { panic!("{error}") };
            prop_assert!(place.line >= 1 && place.column >= 1);
            // Bytes in another encoding become at most three times as many.
            prop_assert!(place.offset <= 3 * document.len());
        }
        Ok(())
    });
    checked.unwrap();
}
