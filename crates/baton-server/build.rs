//! Embeds the demo page again when its folder has changed. Writes nothing.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_DEMO_PAGE").is_none() {
        return;
    }
    let page = Path::new("../../web-demo/dist");
    // While there is no page, its appearing shows in the folder around it. A missing folder must
    // not be named: cargo would build the crate anew every time.
    let watched = [Some(page), page.parent()].into_iter().flatten();
    if let Some(folder) = watched.into_iter().find(|folder| folder.is_dir()) {
        println!("cargo:rerun-if-changed={}", folder.display());
    }
}
