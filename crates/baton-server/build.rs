//! Embeds the demo page again when its folder has changed.

fn main() {
    let page = std::path::Path::new("../../web-demo/dist");
    // A missing folder would make cargo rebuild every time; an empty one means that there is no page.
    if let Err(error) = std::fs::create_dir_all(page) {
        println!("cargo:warning=the folder of the demo page cannot be created: {error}");
    }
    println!("cargo:rerun-if-changed={}", page.display());
    println!("cargo:rerun-if-changed=build.rs");
}
