use framework_config::{Config, ConfigExt, ConfigModule, Settings, Sources};
use framework_core::{BoxModule, Registrar, module_fn};
use framework_di::InjectExt;
use framework_registry::Plan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct PageSettings {
    size: u32,
}

impl Settings for PageSettings {}

struct Pages(Config<PageSettings>);

impl Pages {
    fn new(settings: Config<PageSettings>) -> Self {
        Self(settings)
    }
}

fn plan(declare: impl FnOnce(&mut Registrar<'_>) + Send + 'static) -> Result<Plan, String> {
    let sources = Sources::none().toml_text("test.toml", "[pages]\nsize = 7");
    let modules = [
        // Before the configuration, and before the section is claimed.
        BoxModule::new(module_fn("reader", |reg| {
            let pages = reg.inject(Pages::new);
            reg.setup("look", move |cx| async move {
                assert_eq!(cx.get(&pages).0.get().size, 7);
                Ok(())
            });
        })),
        BoxModule::new(module_fn("catalog", declare)),
        BoxModule::new(ConfigModule::from(sources)),
    ];
    Plan::new(modules).map_err(|error| error.to_string())
}

#[test]
fn a_constructor_takes_the_section_that_is_read_as_its_type() {
    let plan = plan(|reg| {
        let _ = reg.config::<PageSettings>("pages");
    });
    assert_eq!(
        plan.unwrap().to_string(),
        "config\n    ConfigHandle\n\
         reader after config (contributes readers of the configuration)\n    Pages\n\
         catalog after config (contributes configuration sections)\n"
    );
}

#[test]
fn a_section_that_cannot_be_told_by_its_type_is_an_issue() {
    let none = plan(|_reg| ()).unwrap_err();
    assert!(
        none.contains(
            "error[E0404]: `reader` takes `Config<PageSettings>`, and no section is read as that"
        ),
        "{none}"
    );
    let two = plan(|reg| {
        let _ = reg.config::<PageSettings>("pages");
        let _ = reg.config::<PageSettings>("other_pages");
    });
    let two = two.unwrap_err();
    assert!(two.contains("and 2 sections are read as that"), "{two}");
    assert!(two.contains("give each of other_pages, pages a type of its own"), "{two}");
}
