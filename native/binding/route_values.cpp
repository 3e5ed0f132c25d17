#include "route_values.h"

#include <cstring>

#include "value.h"

namespace binding {

namespace {

template <size_t size>
napi_value toText(napi_env env, const char (&padded)[size]) {
  return toValue(env, std::string_view(padded, strnlen(padded, size)));
}

napi_value toText(napi_env env, const char* text) {
  return toValue(env, std::string_view(text));
}

napi_value toEvent(napi_env env, const route::Event& event) {
  ObjectBuilder object(env);
  if (event.kind == route::Event::Kind::overrun) return object.set("kind", toText(env, "overrun")).value();
  const char* verb = event.added ? "add" : "delete";
  if (event.kind == route::Event::Kind::address) {
    return object.set("kind", toText(env, "address"))
        .set("verb", toText(env, verb))
        .set("record", toRecords<route::Record>(env, {&event.address, 1}))
        .value();
  }
  return object.set("kind", toText(env, "link"))
      .set("verb", toText(env, verb))
      .set("index", toValue(env, static_cast<double>(event.link.index)))
      .set("name", toText(env, event.link.name))
      .set("up", toValue(env, event.link.up))
      .value();
}

}  // namespace

napi_value toLinks(napi_env env, std::span<const route::Link> links) {
  return toArray(env, links, [&](const route::Link& link) {
    return ObjectBuilder(env)
        .set("index", toValue(env, static_cast<double>(link.index)))
        .set("name", toText(env, link.name))
        .set("kind", toText(env, link.kind))
        .set("up", toValue(env, link.up))
        .set("loopback", toValue(env, link.loopback))
        .value();
  });
}

napi_value toEvents(napi_env env, std::span<const route::Event> events) {
  return toArray(env, events, [&](const route::Event& event) { return toEvent(env, event); });
}

}  // namespace binding
