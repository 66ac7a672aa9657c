//! What the shop sells: categories, products, and how many there are of each.

mod api;
mod category;
mod inventory;
mod page;
mod product;
mod settings;

use framework::prelude::*;

use crate::infra::Migrations;

pub use self::{
    category::{Categories, Category, NewCategory},
    inventory::{Inventory, Priced, Unavailable, Wanted},
    page::{Page, PageRequest},
    product::{NewProduct, NotAdded, Product, Products},
    settings::CatalogSettings,
};

/// Whatever people call a thing must have something to see in it.
const NOT_BLANK: &str = r"\S";

/// Keeps categories and products.
///
/// It provides [`Inventory`], from which other modules take stock.
#[derive(Clone, Debug)]
pub struct Catalog;

pub(crate) const MIGRATIONS: Migrations =
    Migrations::new(&[("catalogue", include_str!("../migrations/catalog/1_catalogue.sql"))]);

impl Module for Catalog {
    fn name(&self) -> &'static str {
        "catalog"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.contribute(MIGRATIONS);
        reg.config::<CatalogSettings>("catalog");
        reg.inject(Categories::new);
        reg.inject(Products::new);
        reg.inject(|| Inventory);
        reg.api(api::routes());
    }
}
