//! Lists that are longer than a page.

use super::ClientError;
use crate::money::{LedgerQuery, LineQuery, OrderQuery};
use crate::params::{
    AddressQuery, AddressUseQuery, EventQuery, InstanceQuery, NetworkQuery, Paging, PlanQuery, RuleQuery,
};
use crate::views::Page;

/// Most pages that are read of one list: a million items.
const PAGES_MAX: usize = 10_000;

/// A question that is answered in pages.
pub trait Paged {
    /// Asks for the page after the one whose `next` this was.
    fn begin_after(&mut self, next: String);
}

macro_rules! paged {
    ($($query:ty),*) => {$(
        impl Paged for $query {
            fn begin_after(&mut self, next: String) {
                self.after = Some(next);
            }
        }
    )*};
}

paged!(
    Paging,
    AddressQuery,
    AddressUseQuery,
    NetworkQuery,
    InstanceQuery,
    PlanQuery,
    RuleQuery,
    EventQuery,
    LedgerQuery,
    LineQuery,
    OrderQuery
);

/// All items of a list, page after page: `all_pages(query, async |q| client.networks(q).await)`.
pub async fn all_pages<Q: Paged, T>(
    mut query: Q,
    list: impl AsyncFn(&Q) -> Result<Page<T>, ClientError>,
) -> Result<Vec<T>, ClientError> {
    let mut items = Vec::new();
    let mut last = None;
    for _ in 0..PAGES_MAX {
        let page = list(&query).await?;
        items.extend(page.items);
        let Some(next) = page.next else { return Ok(items) };
        if last.as_ref() == Some(&next) {
            break;
        }
        query.begin_after(next.clone());
        last = Some(next);
    }
    Err(ClientError::Unusable("the list has no end: its pages lead to each other".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn pages_are_joined_in_order() {
        let list = async |query: &Paging| {
            let from: usize = query.after.as_deref().map_or(0, |after| after.parse().expect("a number"));
            let next = (from < 4).then(|| (from + 2).to_string());
            Ok(Page { items: vec![from, from + 1], next })
        };
        assert_eq!(block_on(all_pages(Paging::default(), list)), Ok(vec![0, 1, 2, 3, 4, 5]));
    }

    #[test]
    fn a_list_that_leads_to_itself_ends() {
        let list = async |_: &Paging| Ok(Page { items: vec![0], next: Some("again".into()) });
        let error = block_on(all_pages(Paging::default(), list)).expect_err("no end");
        assert!(matches!(error, ClientError::Unusable(_)), "{error}");
    }
}
