//! JSON into a message: the mapping of proto3, without its special forms.
//!
//! A `Timestamp` is written as the object that it is (`{"seconds": 1}`), not as a date: a body in
//! a file of settings is small, and one way to write it is enough.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use bytes::Bytes;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value as Held,
};
use serde_json::Value;

use super::Unsaid;

/// A message of this kind, from an object.
pub(super) fn message(
    kind: MessageDescriptor,
    body: &Value,
    at: &str,
) -> Result<DynamicMessage, Unsaid> {
    let Value::Object(fields) = body else {
        let kind = kind.full_name();
        return Err(unfit(
            at,
            &format!("must be an object, as {kind} is a message"),
        ));
    };
    let mut message = DynamicMessage::new(kind.clone());
    for (name, value) in fields {
        let at = format!("{at}.{name}");
        let field = kind
            .get_field_by_json_name(name)
            .or_else(|| kind.get_field_by_name(name))
            .ok_or_else(|| unfit(&at, &format!("is no field of {}", kind.full_name())))?;
        if !value.is_null() {
            message.set_field(&field, whole(&field, value, &at)?);
        }
    }
    Ok(message)
}

/// A field: one value, a list or a map.
fn whole(field: &FieldDescriptor, value: &Value, at: &str) -> Result<Held, Unsaid> {
    if field.is_map() {
        let (Value::Object(entries), Kind::Message(entry)) = (value, field.kind()) else {
            return Err(unfit(at, "must be an object, as it is a map"));
        };
        let (keys, values) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let pairs = entries.iter().map(|(name, value)| {
            let at = format!("{at}.{name}");
            Ok((
                key(&keys.kind(), name, &at)?,
                one(&values.kind(), value, &at)?,
            ))
        });
        return Ok(Held::Map(pairs.collect::<Result<_, Unsaid>>()?));
    }
    if field.is_list() {
        let Value::Array(values) = value else {
            return Err(unfit(at, "must be a list"));
        };
        let values = values.iter().enumerate();
        let held = values.map(|(n, value)| one(&field.kind(), value, &format!("{at}[{n}]")));
        return Ok(Held::List(held.collect::<Result<_, Unsaid>>()?));
    }
    one(&field.kind(), value, at)
}

/// One value.
fn one(kind: &Kind, value: &Value, at: &str) -> Result<Held, Unsaid> {
    let must = |what: &str| unfit(at, &format!("must be {what}"));
    Ok(match kind {
        Kind::Double => Held::F64(real(value).ok_or_else(|| must("a number"))?),
        // The nearest single one, as every language has it.
        Kind::Float => Held::F32(real(value).ok_or_else(|| must("a number"))? as f32),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Held::I32(whole_number(value).ok_or_else(|| must("a whole number of 32 bits"))?)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            Held::I64(whole_number(value).ok_or_else(|| must("a whole number of 64 bits"))?)
        }
        Kind::Uint32 | Kind::Fixed32 => {
            Held::U32(whole_number(value).ok_or_else(|| must("a number from 0, of 32 bits"))?)
        }
        Kind::Uint64 | Kind::Fixed64 => {
            Held::U64(whole_number(value).ok_or_else(|| must("a number from 0, of 64 bits"))?)
        }
        Kind::Bool => Held::Bool(value.as_bool().ok_or_else(|| must("true or false"))?),
        Kind::String => {
            let text = value.as_str().ok_or_else(|| must("a text"))?;
            Held::String(text.to_owned())
        }
        Kind::Bytes => {
            let text = value.as_str().unwrap_or_default();
            let bytes = BASE64_STANDARD
                .decode(text)
                .or_else(|_| BASE64_URL_SAFE.decode(text))
                .ok()
                .filter(|_| value.is_string());
            Held::Bytes(Bytes::from(bytes.ok_or_else(|| must("bytes in base64"))?))
        }
        Kind::Message(kind) => Held::Message(message(kind.clone(), value, at)?),
        Kind::Enum(kind) => {
            let named = value.as_str().and_then(|name| kind.get_value_by_name(name));
            let number = named.map(|value| value.number());
            let number = number.or_else(|| value.as_i64()?.try_into().ok());
            let names: Vec<_> = kind.values().map(|value| value.name().to_owned()).collect();
            let what = || must(&format!("one of {}", names.join(", ")));
            Held::EnumNumber(number.ok_or_else(what)?)
        }
    })
}

/// A map's key, which JSON always writes as text.
fn key(kind: &Kind, name: &str, at: &str) -> Result<MapKey, Unsaid> {
    match one(kind, &Value::String(name.to_owned()), at) {
        Ok(Held::I32(number)) => Ok(MapKey::I32(number)),
        Ok(Held::I64(number)) => Ok(MapKey::I64(number)),
        Ok(Held::U32(number)) => Ok(MapKey::U32(number)),
        Ok(Held::U64(number)) => Ok(MapKey::U64(number)),
        Ok(Held::String(text)) => Ok(MapKey::String(text)),
        _ => match (kind, name) {
            (Kind::Bool, "true") => Ok(MapKey::Bool(true)),
            (Kind::Bool, "false") => Ok(MapKey::Bool(false)),
            _ => Err(unfit(at, "is no key of this map")),
        },
    }
}

/// A whole number, as a number or (as JSON writes 64 bits) as text.
fn whole_number<N: TryFrom<i128>>(value: &Value) -> Option<N> {
    let number = match value {
        Value::String(text) => text.parse::<i128>().ok()?,
        Value::Number(number) => number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from))?,
        _ => return None,
    };
    number.try_into().ok()
}

fn real(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            other => other.parse().ok(),
        },
        _ => None,
    }
}

fn unfit(at: &str, why: &str) -> Unsaid {
    Unsaid::Body {
        at: at.to_owned(),
        why: why.to_owned(),
    }
}
