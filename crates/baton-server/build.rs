//! Makes the binary follow the built page: when the folder changes, the page is embedded anew.

fn main() {
    let page = std::path::Path::new("../../web-demo/dist");
    // An absent folder would make cargo rebuild every time; an empty one only says that there is no page.
    if let Err(error) = std::fs::create_dir_all(page) {
        println!("cargo:warning=no folder for the demo page: {error}");
    }
    println!("cargo:rerun-if-changed={}", page.display());
    println!("cargo:rerun-if-changed=build.rs");
}
