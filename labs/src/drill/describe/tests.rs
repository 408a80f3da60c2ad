//! Bodies that fit and that do not, from a file and from a server that describes itself.

use bytes::Bytes;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MessageOptions, MethodDescriptorProto,
    ServiceDescriptorProto,
};
use serde_json::json;

use super::reflection::{Files, Refusal, Request, Response, Wanted};
use super::*;
use crate::drill::eyes::tests::host::{Host, Manner};
use crate::drill::eyes::tests::tls::Root;
use crate::drill::eyes::{Client, Sessions};

fn field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        r#type: Some(kind.into()),
        label: Some(Label::Optional.into()),
        ..FieldDescriptorProto::default()
    }
}

fn typed(mut field: FieldDescriptorProto, name: &str, label: Label) -> FieldDescriptorProto {
    field.type_name = (!name.is_empty()).then(|| name.to_owned());
    field.label = Some(label.into());
    field
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field,
        ..DescriptorProto::default()
    }
}

/// What other files import.
fn parts_file() -> FileDescriptorProto {
    let colour = EnumDescriptorProto {
        name: Some("Colour".to_owned()),
        value: [("NONE", 0), ("RED", 2)]
            .map(|(name, number)| EnumValueDescriptorProto {
                name: Some(name.to_owned()),
                number: Some(number),
                options: None,
            })
            .to_vec(),
        ..EnumDescriptorProto::default()
    };
    FileDescriptorProto {
        name: Some("parts.proto".to_owned()),
        package: Some("own".to_owned()),
        message_type: vec![message("Part", vec![field("number", 1, Type::Uint32)])],
        enum_type: vec![colour],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    }
}

fn orders_file() -> FileDescriptorProto {
    let mut entry = message(
        "TagsEntry",
        vec![field("key", 1, Type::Int32), field("value", 2, Type::Bool)],
    );
    entry.options = Some(MessageOptions {
        map_entry: Some(true),
        ..MessageOptions::default()
    });
    let many = Label::Repeated;
    let mut wanted = message(
        "Wanted",
        vec![
            field("order_id", 1, Type::String),
            field("size", 2, Type::Int64),
            typed(field("parts", 3, Type::Message), ".own.Part", many),
            typed(
                field("tags", 4, Type::Message),
                ".own.Wanted.TagsEntry",
                many,
            ),
            typed(
                field("colour", 5, Type::Enum),
                ".own.Colour",
                Label::Optional,
            ),
            field("seal", 6, Type::Bytes),
            field("weight", 7, Type::Float),
            typed(
                field("since", 8, Type::Message),
                ".google.protobuf.Timestamp",
                Label::Optional,
            ),
        ],
    );
    wanted.nested_type = vec![entry];
    let method = |name: &str, streams: bool| MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(".own.Wanted".to_owned()),
        output_type: Some(".own.Part".to_owned()),
        server_streaming: Some(streams),
        ..MethodDescriptorProto::default()
    };
    FileDescriptorProto {
        name: Some("orders.proto".to_owned()),
        package: Some("own".to_owned()),
        dependency: vec![
            "parts.proto".to_owned(),
            "google/protobuf/timestamp.proto".to_owned(),
        ],
        message_type: vec![wanted],
        service: vec![ServiceDescriptorProto {
            name: Some("Orders".to_owned()),
            method: vec![method("Get", false), method("Watch", true)],
            options: None,
        }],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    }
}

fn described() -> Description {
    let set = FileDescriptorSet {
        file: vec![orders_file(), parts_file()],
    };
    Description::read(&set.encode_to_vec()).unwrap()
}

fn encoded(body: &Value) -> Result<Bytes, String> {
    match described().call("own.Orders/Get", body) {
        Ok(Call::Grpc { message, .. }) => Ok(message),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_body_becomes_the_bytes_of_its_message() {
    assert_eq!(encoded(&json!({})).unwrap(), Bytes::new());
    let body = json!({
        "orderId": "a7",
        "size": "-1",
        "parts": [{"number": 3}, {}],
        "tags": {"5": true},
        "colour": "RED",
        "seal": "AAE=",
        "weight": 0.5,
        "since": {"seconds": 1},
    });
    let mut expected = vec![0x0a, 2, b'a', b'7', 0x10];
    expected.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    expected.extend_from_slice(&[0x1a, 2, 8, 3, 0x1a, 0]);
    expected.extend_from_slice(&[0x22, 4, 8, 5, 0x10, 1]);
    expected.extend_from_slice(&[0x28, 2, 0x32, 2, 0, 1]);
    expected.extend_from_slice(&[0x3d, 0, 0, 0, 0x3f, 0x42, 2, 8, 1]);
    assert_eq!(encoded(&body).unwrap(), expected);
    // The name in the file is as good as the one in JSON, and nothing is no field at all.
    let body = json!({"order_id": "a7", "size": null});
    assert_eq!(encoded(&body).unwrap(), expected[..4]);
}

#[test]
fn a_body_that_does_not_fit_is_refused_where_it_does_not() {
    for (body, says) in [
        (
            json!([]),
            "`body` must be an object, as own.Wanted is a message",
        ),
        (
            json!({"order": 1}),
            "`body.order` is no field of own.Wanted",
        ),
        (json!({"orderId": 1}), "`body.orderId` must be a text"),
        (json!({"parts": {}}), "`body.parts` must be a list"),
        (
            json!({"parts": [{}, {"number": -1}]}),
            "`body.parts[1].number` must be a number from 0, of 32 bits",
        ),
        (
            json!({"colour": "BLUE"}),
            "`body.colour` must be one of NONE, RED",
        ),
        (json!({"seal": 7}), "`body.seal` must be bytes in base64"),
        (
            json!({"tags": {"x": true}}),
            "`body.tags.x` is no key of this map",
        ),
        (
            json!({"since": "2027-01-01"}),
            "as google.protobuf.Timestamp is a message",
        ),
    ] {
        let error = encoded(&body).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_method_is_found_by_its_whole_name() {
    let described = described();
    assert!(described.streams("own.Orders/Watch").unwrap());
    assert!(!described.streams("/own.Orders/Get").unwrap());
    let missing = described.streams("own.Orders/Put");
    assert!(matches!(missing, Err(Unsaid::NoMethod(_))));
    for wrong in ["own.Orders.Get", "own.Orders/", "a/b/c"] {
        let error = described.streams(wrong);
        assert!(matches!(error, Err(Unsaid::Method(_))), "{wrong}");
    }
    assert!(matches!(Description::read(b"none"), Err(Unsaid::Set(_))));
}

/// A server that sends one file a question, in the older version alone.
fn reflects(path: &str, message: &[u8]) -> Option<Vec<u8>> {
    if path != "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" {
        return None;
    }
    let wanted = Request::decode(message).unwrap().wanted.unwrap();
    let file = match wanted {
        Wanted::Symbol(symbol) if symbol == "own.Orders" => Some(orders_file()),
        Wanted::File(name) if name == "parts.proto" => Some(parts_file()),
        Wanted::Symbol(_) | Wanted::File(_) => None,
    };
    let response = match file {
        Some(file) => Response {
            files: Some(Files {
                files: vec![Bytes::from(file.encode_to_vec())],
            }),
            error: None,
        },
        None => Response {
            files: None,
            error: Some(Refusal {
                code: 5,
                said: "no such thing".to_owned(),
            }),
        },
    };
    Some(response.encode_to_vec())
}

async fn asked(method: fn(&str, &[u8]) -> Option<Vec<u8>>, of: &str) -> Result<Call, Unsaid> {
    let root = Root::new("root");
    let manner = Manner {
        method,
        ..Manner::default()
    };
    let host = Host::start(&root, manner).await;
    let client = Client::new(host.door(), &root.caller(), Sessions::None).unwrap();
    let connection = client.connect().await.unwrap();
    let description = Description::ask(&connection, of, None).await?;
    description.call(of, &json!({"orderId": "a7"}))
}

#[tokio::test]
async fn a_server_is_asked_for_its_files_in_the_older_version_too() {
    let call = asked(reflects, "own.Orders/Get").await.unwrap();
    let Call::Grpc { message, .. } = call else {
        panic!("{call:?}");
    };
    assert_eq!(message, &[0x0a, 2, b'a', b'7'][..]);
}

#[tokio::test]
async fn a_server_that_does_not_describe_itself_is_told_so() {
    let error = asked(|_, _| None, "own.Orders/Get").await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Unsaid::Undescribed { .. }), "{text}");
    assert!(
        text.contains("UNIMPLEMENTED") && text.contains("descriptor file"),
        "{text}"
    );
    let error = asked(reflects, "own.Other/Get").await.unwrap_err();
    assert!(error.to_string().contains("no such thing"), "{error}");
    let without = |path: &str, message: &[u8]| match Request::decode(message).unwrap().wanted {
        Some(Wanted::Symbol(_)) => reflects(path, message),
        _ if path.contains("v1alpha") => Some(Vec::new()),
        _ => None,
    };
    let error = asked(without, "own.Orders/Get").await.unwrap_err();
    assert!(
        error.to_string().contains("imports `parts.proto`"),
        "{error}"
    );
}
