use framework_core::Registrar;
use framework_di::InjectExt;

struct Token;

fn register(reg: &mut Registrar<'_>, token: Token) {
    reg.scoped(move || {
        let _ = &token;
        1_u8
    });
}

fn main() {}
