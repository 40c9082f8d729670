#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use lodur_kernels::pipeline::template::{Row, Template};
struct R(Vec<(Vec<u8>, Vec<u8>)>);
impl Row for R {
    fn line(&self) -> &[u8] { b"level=info msg=\"hello world\" n=5" }
    fn ts_ns(&self) -> i64 { 1768478356615000558 }
    fn label(&self, name: &[u8]) -> Option<&[u8]> { self.0.iter().find(|(k, _)| k == name).map(|(_, v)| &**v) }
    fn each_label<'s>(&'s self, visit: &mut dyn FnMut(&'s [u8], &'s [u8])) { for (k, v) in &self.0 { visit(k, v) } }
}
fn main() {
    let row = R([("a","alpha"),("b","b c"),("empty",""),("n","42"),("f","1.5"),("neg","-7"),("json",r#"{"k":[1,2.5,"x",null,true],"o":{"z":"q","n":null},"s":"t"}"#),("u","日本語 é"),("path","/api/v1/items"),("line","x\ny"),("dur","1h2m3.5s"),("size","5MB")].iter().map(|(k,v)|(k.as_bytes().to_vec(), v.as_bytes().to_vec())).chain([(b"bad".to_vec(), b"a\xffb".to_vec())]).collect());
    let cases: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap()).unwrap();
    let (mut bad, mut n) = (0, 0);
    for case in cases.as_array().unwrap() {
        let t = case["Template"].as_str().unwrap();
        let (mut parse, mut error, mut hex) = (String::new(), String::new(), String::new());
        match Template::compile("line", t) {
            Err(e) => parse = e,
            Ok(t) => match t.execute(&row, Vec::new()) {
                Err(e) => error = e.0,
                Ok(b) => hex = b.iter().map(|b| format!("{b:02x}")).collect(),
            },
        }
        n += 1;
        if parse != case["Parse"].as_str().unwrap() || error != case["Error"].as_str().unwrap() || hex != case["Hex"].as_str().unwrap() {
            bad += 1;
            let un = |h: &str| String::from_utf8_lossy(&(0..h.len()/2).map(|i| u8::from_str_radix(&h[2*i..2*i+2],16).unwrap()).collect::<Vec<_>>()).into_owned();
            println!("T {t:?}\n  go   {} {} {:?}\n  ours {parse} {error} {:?}", case["Parse"].as_str().unwrap(), case["Error"].as_str().unwrap(), un(case["Hex"].as_str().unwrap()), un(&hex));
        }
    }
    println!("{bad} of {n} differ");
}
