//! The shape of a file: its functions, types, modules and the paths it imports, by `syn`.
//!
//! Only facts are gathered here; `limits.rs` and `modules.rs` judge them.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// A function or method with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) span: Lines,
    /// Parameters without `self`.
    pub(crate) parameters: usize,
}

/// A struct, enum, union, trait or type alias.
pub(crate) struct Type {
    pub(crate) name: String,
    pub(crate) span: Lines,
    /// Fields of a struct; 0 for the rest.
    pub(crate) fields: usize,
    /// Type and constant parameters; lifetimes are not counted.
    pub(crate) generics: usize,
}

/// `mod name;`: a module in a file of its own.
pub(crate) struct Module {
    /// The inline modules round it, outermost first.
    pub(crate) within: Vec<String>,
    pub(crate) name: String,
    /// The value of `#[path]`.
    pub(crate) path: Option<String>,
    /// Compiled for tests only.
    pub(crate) test: bool,
}

/// Where an item stands, lines counted from 1.
#[derive(Clone, Copy)]
pub(crate) struct Lines {
    /// The first line, attributes and documentation included.
    pub(crate) from: usize,
    /// The line with the name.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Lines {
    /// Lines from the signature to the closing brace.
    pub(crate) fn count(self) -> usize {
        self.end + 1 - self.start
    }
}

/// What one file holds.
#[derive(Default)]
pub(crate) struct Shape {
    pub(crate) functions: Vec<Function>,
    pub(crate) types: Vec<Type>,
    pub(crate) modules: Vec<Module>,
    /// Imported paths, one per leaf of a `use` tree, with their lines.
    pub(crate) imports: Vec<(String, usize)>,
    /// Items under `#[cfg(test)]`.
    pub(crate) tests: Vec<Lines>,
    /// Files taken in by `include!`.
    pub(crate) includes: Vec<String>,
}

impl Shape {
    /// Reads `text`; the error is the parser's.
    pub(crate) fn of(text: &str) -> syn::Result<Self> {
        let file = syn::parse_file(text)?;
        let mut reader = Reader::default();
        reader.visit_file(&file);
        Ok(reader.shape)
    }

    /// Whether `line` is inside an item under `#[cfg(test)]`.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.tests
            .iter()
            .any(|item| (item.from..=item.end).contains(&line))
    }
}

#[derive(Default)]
struct Reader {
    shape: Shape,
    within: Vec<String>,
    in_test: bool,
}

impl Reader {
    fn add_function(&mut self, attributes: &[Attribute], signature: &syn::Signature, end: usize) {
        let start = signature.span().start().line;
        let takes_self = usize::from(signature.receiver().is_some());
        self.shape.functions.push(Function {
            name: signature.ident.to_string(),
            span: Lines {
                from: first_line(attributes, start),
                start,
                end,
            },
            parameters: signature.inputs.len() - takes_self,
        });
    }

    fn add_type(&mut self, item: &Item) {
        let (attributes, ident, generics, fields) = match item {
            Item::Struct(x) => (&x.attrs, &x.ident, &x.generics, x.fields.len()),
            Item::Union(x) => (&x.attrs, &x.ident, &x.generics, x.fields.named.len()),
            Item::Enum(x) => (&x.attrs, &x.ident, &x.generics, 0),
            Item::Trait(x) => (&x.attrs, &x.ident, &x.generics, 0),
            Item::Type(x) => (&x.attrs, &x.ident, &x.generics, 0),
            _ => return,
        };
        let start = ident.span().start().line;
        let end = item.span().end().line;
        self.shape.types.push(Type {
            name: ident.to_string(),
            span: Lines {
                from: first_line(attributes, start),
                start,
                end,
            },
            fields,
            generics: generics.type_params().count() + generics.const_params().count(),
        });
    }

    fn add_imports(&mut self, prefix: &str, tree: &UseTree) {
        let line = tree.span().start().line;
        let mut leaf = |name: &str| self.shape.imports.push((format!("{prefix}{name}"), line));
        match tree {
            UseTree::Path(x) => self.add_imports(&format!("{prefix}{}::", x.ident), &x.tree),
            UseTree::Name(x) => leaf(&x.ident.to_string()),
            UseTree::Rename(x) => leaf(&x.ident.to_string()),
            UseTree::Glob(_) => leaf("*"),
            UseTree::Group(x) => x
                .items
                .iter()
                .for_each(|tree| self.add_imports(prefix, tree)),
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let outer = self.in_test;
        if is_test(attributes_of(item)) {
            let (start, end) = (item.span().start().line, item.span().end().line);
            self.shape.tests.push(Lines {
                from: start,
                start,
                end,
            });
            self.in_test = true;
        }
        self.add_type(item);
        visit::visit_item(self, item);
        self.in_test = outer;
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add_function(&item.attrs, &item.sig, item.block.span().end().line);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add_function(&item.attrs, &item.sig, item.block.span().end().line);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.add_function(&item.attrs, &item.sig, item.span().end().line);
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        if item.content.is_none() {
            let (within, test) = (self.within.clone(), self.in_test);
            self.shape.modules.push(Module {
                within,
                name,
                path: path_of(&item.attrs),
                test,
            });
            return;
        }
        self.within.push(name);
        visit::visit_item_mod(self, item);
        self.within.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_imports("", &item.tree);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        if item.path.is_ident("include") {
            if let Ok(file) = item.parse_body::<syn::LitStr>() {
                self.shape.includes.push(file.value());
            }
        }
        visit::visit_macro(self, item);
    }
}

fn first_line(attributes: &[Attribute], start: usize) -> usize {
    attributes
        .first()
        .map_or(start, |attribute| attribute.span().start().line)
}

fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(x) => &x.attrs,
        Item::Fn(x) => &x.attrs,
        Item::Impl(x) => &x.attrs,
        Item::Use(x) => &x.attrs,
        Item::Struct(x) => &x.attrs,
        Item::Macro(x) => &x.attrs,
        _ => &[],
    }
}

/// Whether `#[cfg(test)]`, alone or inside `all(..)`, is among `attributes`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string().replace(' ', "");
            condition == "test" || condition.starts_with("all(test,")
        }
        _ => false,
    })
}

fn path_of(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                syn::Expr::Lit(syn::ExprLit {
                    lit: syn::Lit::Str(path),
                    ..
                }) => Some(path.value()),
                _ => None,
            },
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::Shape;

    const TEXT: &str = r#"
use std::{collections::{BTreeMap, HashMap as Map}, time::*};
/// Doc.
#[derive(Debug)]
struct Pair<'a, T, const N: usize>(&'a [T; N], u8);
impl Pair<'_, u8, 1> {
    /// Doc.
    #[inline]
    fn add(&self, a: u8, f: fn(u8, u8) -> (u8, u8)) -> u8 {
        fn nested() {
            let text = "}";
        }
        a
    }
}
trait Sends { fn send(&self, x: u8); }
mod outer {
    mod inner;
    #[cfg(test)]
    mod tests;
}
#[path = "odd.rs"]
mod even;
include!("table.rs");
#[cfg(test)]
mod tests {
    fn proof() {}
}
"#;

    #[test]
    fn functions_have_their_lines_and_parameters() {
        let shape = Shape::of(TEXT).unwrap();
        let found: Vec<_> = shape
            .functions
            .iter()
            .map(|f| (f.name.as_str(), f.span.from, f.span.count(), f.parameters))
            .collect();
        let expected = [
            ("add", 7, 6, 2),
            ("nested", 10, 3, 0),
            ("send", 16, 1, 1),
            ("proof", 27, 1, 0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn types_have_their_fields_and_generics() {
        let shape = Shape::of(TEXT).unwrap();
        let found: Vec<_> = shape
            .types
            .iter()
            .map(|t| (t.name.as_str(), t.fields, t.generics))
            .collect();
        assert_eq!(found, [("Pair", 2, 2), ("Sends", 0, 0)]);
        assert_eq!(shape.types[0].span.from, 3);
    }

    #[test]
    fn imports_are_spelled_out() {
        let shape = Shape::of(TEXT).unwrap();
        let paths: Vec<_> = shape
            .imports
            .iter()
            .map(|(path, _)| path.as_str())
            .collect();
        assert_eq!(
            paths,
            [
                "std::collections::BTreeMap",
                "std::collections::HashMap",
                "std::time::*"
            ]
        );
    }

    #[test]
    fn modules_know_where_they_are_and_whether_they_are_tests() {
        let shape = Shape::of(TEXT).unwrap();
        let found: Vec<_> = shape
            .modules
            .iter()
            .map(|m| {
                (
                    m.within.join("/"),
                    m.name.as_str(),
                    m.path.as_deref(),
                    m.test,
                )
            })
            .collect();
        let outer = || "outer".to_owned();
        let expected = [
            (outer(), "inner", None, false),
            (outer(), "tests", None, true),
            (String::new(), "even", Some("odd.rs"), false),
        ];
        assert_eq!(found, expected);
        assert_eq!(shape.includes, ["table.rs"]);
        assert!(shape.is_test(27) && shape.is_test(25) && !shape.is_test(24));
    }
}
