//! The records: five users, their orders, and the shipment of each order. Fixed, so that every printed
//! example stays true.

use serde_json::{Value, json};

struct User {
    id: u32,
    name: &'static str,
    level: u8,
    city: &'static str,
}

const USERS: [User; 5] = [
    User {
        id: 1,
        name: "Ada",
        level: 5,
        city: "London",
    },
    User {
        id: 2,
        name: "Grace",
        level: 4,
        city: "New York",
    },
    User {
        id: 3,
        name: "Edsger",
        level: 3,
        city: "Rotterdam",
    },
    User {
        id: 4,
        name: "Barbara",
        level: 2,
        city: "Los Angeles",
    },
    User {
        id: 5,
        name: "Tony",
        level: 1,
        city: "Colombo",
    },
];

struct Item {
    name: &'static str,
    quantity: u32,
    cents: u32,
}

struct Order {
    id: u32,
    user: u32,
    placed: &'static str,
    items: &'static [Item],
}

const ORDERS: [Order; 6] = [
    Order {
        id: 1001,
        user: 1,
        placed: "2026-03-02",
        items: &[
            Item {
                name: "notebook",
                quantity: 3,
                cents: 450,
            },
            Item {
                name: "pencil",
                quantity: 12,
                cents: 80,
            },
        ],
    },
    Order {
        id: 1002,
        user: 1,
        placed: "2026-03-09",
        items: &[Item {
            name: "desk lamp",
            quantity: 1,
            cents: 3_490,
        }],
    },
    Order {
        id: 1003,
        user: 2,
        placed: "2026-03-11",
        items: &[Item {
            name: "keyboard",
            quantity: 1,
            cents: 8_900,
        }],
    },
    Order {
        id: 1004,
        user: 3,
        placed: "2026-03-12",
        items: &[Item {
            name: "chair",
            quantity: 2,
            cents: 12_550,
        }],
    },
    Order {
        id: 1005,
        user: 4,
        placed: "2026-03-15",
        items: &[
            Item {
                name: "tea",
                quantity: 5,
                cents: 620,
            },
            Item {
                name: "cup",
                quantity: 2,
                cents: 975,
            },
        ],
    },
    Order {
        id: 1006,
        user: 5,
        placed: "2026-03-16",
        items: &[Item {
            name: "stamp",
            quantity: 20,
            cents: 95,
        }],
    },
];

/// All users.
pub(crate) fn users() -> Value {
    json!({ "users": USERS.iter().map(user_json).collect::<Vec<_>>() })
}

/// One user, if there is one with this id.
pub(crate) fn user(id: u32) -> Option<Value> {
    USERS.iter().find(|user| user.id == id).map(user_json)
}

/// The orders of one user, or of all, the latest first; `total` is their sum. A user without orders has an empty list.
pub(crate) fn orders(user: Option<u32>) -> Value {
    let found = ORDERS
        .iter()
        .rev()
        .filter(|order| user.is_none_or(|id| id == order.user));
    let (mut list, mut cents) = (Vec::new(), 0);
    for order in found {
        cents += order.cents();
        list.push(order_json(order));
    }
    json!({ "user": user, "count": list.len(), "total": money(cents), "orders": list })
}

/// One order.
pub(crate) fn order(id: u32) -> Option<Value> {
    ORDERS.iter().find(|order| order.id == id).map(order_json)
}

/// The shipment of an order.
pub(crate) fn shipment(order: u32) -> Option<Value> {
    let (carrier, state, eta) = match order {
        1001 => ("Penny Post", "delivered", "2026-03-05"),
        1002 => ("Penny Post", "on its way", "2026-03-18"),
        1003 => ("Pony Express", "on its way", "2026-03-19"),
        1004 => ("Barge & Sons", "packed", "2026-03-24"),
        1005 => ("Pony Express", "packed", "2026-03-21"),
        1006 => ("Penny Post", "waiting for stock", "2026-04-02"),
        _ => return None,
    };
    Some(json!({ "order": order, "carrier": carrier, "state": state, "eta": eta }))
}

/// All shipments.
pub(crate) fn shipments() -> Value {
    let all: Vec<_> = ORDERS.iter().filter_map(|order| shipment(order.id)).collect();
    json!({ "shipments": all })
}

impl Order {
    fn cents(&self) -> u32 {
        self.items.iter().map(|item| item.quantity * item.cents).sum()
    }
}

fn user_json(user: &User) -> Value {
    json!({ "id": user.id, "name": user.name, "level": user.level, "city": user.city })
}

fn order_json(order: &Order) -> Value {
    let item =
        |item: &Item| json!({ "name": item.name, "quantity": item.quantity, "price": money(item.cents) });
    json!({
        "id": order.id,
        "user": order.user,
        "placed": order.placed,
        "total": money(order.cents()),
        "items": order.items.iter().map(item).collect::<Vec<_>>(),
    })
}

fn money(cents: u32) -> f64 {
    f64::from(cents) / 100.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_order_belongs_to_a_user_and_has_a_shipment() {
        for order in &ORDERS {
            assert!(
                user(order.user).is_some() && shipment(order.id).is_some(),
                "{}",
                order.id
            );
        }
    }

    #[test]
    fn the_total_of_a_users_orders_is_the_sum_of_theirs() {
        let ada = orders(Some(1));
        assert_eq!(ada["count"], 2);
        assert_eq!(ada["total"], 58.0);
        assert_eq!(ada["orders"][0]["total"], 34.9, "the latest one");
    }
}
