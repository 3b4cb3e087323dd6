//! The scopes of the model, and the checker's own idea of when two of them are in conflict.
//!
//! That idea is a set of four regions, not a comparison of paths: it shares nothing with the fold's.

use std::sync::LazyLock;

use baton_presence::Scope;
use baton_testkit::Area;

use crate::Flaw;

/// What a lock may cover here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The whole document.
    Whole,
    /// Its root `a`.
    A,
    /// `x` in `a`.
    InA,
    /// Its root `b`.
    B,
    /// `x` in `a`, and `b`: several at once.
    Pair,
}

/// A root type of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// `a`.
    A,
    /// `b`.
    B,
}

impl Root {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    const fn regions(self) -> u8 {
        match self {
            Self::A => Place::A.regions(),
            Self::B => Place::B.regions(),
        }
    }
}

static SCOPES: LazyLock<[Scope; 5]> = LazyLock::new(|| {
    let of = |paths: &[&[&str]]| {
        let paths = paths.iter().map(|path| path.iter().copied());
        Scope::of(paths).unwrap_or(Scope::WHOLE)
    };
    [
        Scope::WHOLE,
        of(&[&["a"]]),
        of(&[&["a", "x"]]),
        of(&[&["b"]]),
        of(&[&["a", "x"], &["b"]]),
    ]
});

/// The same as a fold sees them that only knows whether two are equal.
static FLAT: LazyLock<[Scope; 5]> = LazyLock::new(|| {
    ["whole", "root a", "x in a", "root b", "both"]
        .map(|name| Scope::of([[name]]).unwrap_or(Scope::WHOLE))
});

impl Place {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Whole, Self::A, Self::InA, Self::B, Self::Pair];

    /// As the fold is told.
    pub(crate) fn scope(self, flaw: Flaw) -> Scope {
        let all = match flaw {
            Flaw::EqualScopes => &*FLAT,
            _ => &*SCOPES,
        };
        all[self as usize].clone()
    }

    /// What the fold says.
    pub(crate) fn of(scope: &Scope) -> Self {
        let known = |all: &[Scope; 5]| all.iter().position(|known| known == scope);
        let index = known(&SCOPES).or_else(|| known(&FLAT)).unwrap_or_default();
        Self::ALL[index]
    }

    const fn regions(self) -> u8 {
        match self {
            Self::Whole => 0b1111,
            Self::A => 0b0011,
            Self::InA => 0b0010,
            Self::B => 0b0100,
            Self::Pair => 0b0110,
        }
    }

    pub(crate) const fn conflicts(self, other: Self) -> bool {
        self.regions() & other.regions() != 0
    }

    pub(crate) const fn reaches(self, root: Root) -> bool {
        self.regions() & root.regions() != 0
    }

    /// The roots that it reaches; of the whole document one stands for all if nothing else is locked.
    pub(crate) fn roots(self, among: &[Self]) -> impl Iterator<Item = Root> {
        let several = among.len() > 1;
        [Root::A, Root::B]
            .into_iter()
            .filter(move |root| self.reaches(*root) && (several || *root == Root::A))
    }
}

impl Area for Place {
    fn of(scope: &Scope) -> Self {
        Self::of(scope)
    }

    fn conflicts(&self, other: &Self) -> bool {
        Self::conflicts(*self, *other)
    }

    fn covers(&self, other: &Self) -> bool {
        self.regions() & other.regions() == other.regions()
    }
}
