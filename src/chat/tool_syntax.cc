#include "chat/tool_syntax.h"

#include <algorithm>

#include "chat/template_text.h"

namespace facet::chat {
namespace {

// As a look-up in the template: absent, or of something that is no object, is null.
const Json& get(const Json& object, const char* key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}
// As the template prints it: nothing for what is absent.
std::string text_at(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) ? as_text(object[key]) : std::string();
}

void quoted(Prompt& out, std::string_view text) {
  out.control("<|\"|>");
  out.text(text);
  out.control("<|\"|>");
}

// The commas of one list.
class Commas {
 public:
  explicit Commas(Prompt& out) : out_(out) {}
  void next() {
    if (any_) out_.text(",");
    any_ = true;
  }

 private:
  Prompt& out_;
  bool any_ = false;
};

class Declaration {
 public:
  Declaration(Prompt& out, Revision revision) : out_(out), revision_(revision) {}

  void write(const Json& function) {
    out_.text("declaration:" + text_at(function, "name") + "{description:");
    quoted(out_, text_at(function, "description"));
    if (const Json& parameters = get(function, "parameters"); is_true(parameters)) {
      out_.text(",parameters:{");
      if (const Json& properties = get(parameters, "properties"); is_true(properties)) {
        out_.text("properties:{");
        entries(properties, /*of_schema=*/false);
        out_.text("},");
      }
      if (is_true(get(parameters, "required"))) {
        required(get(parameters, "required"));
        out_.text(",");
      }
      type_and_brace(parameters);
    }
    if (function.contains("response")) {
      const Json& response = get(function, "response");
      out_.text(",response:{");
      if (is_true(get(response, "description"))) {
        out_.text("description:");
        quoted(out_, text_at(response, "description"));
        out_.text(",");
      }
      if (upper(text_at(response, "type")) == "OBJECT") type_and_brace(response);
    }
    out_.text("}");
  }

 private:
  // The brace is the template's: without a type it stays open.
  void type_and_brace(const Json& schema) {
    if (!is_true(get(schema, "type"))) return;
    out_.text("type:");
    quoted(out_, upper(text_at(schema, "type")));
    out_.text("}");
  }
  void required(const Json& names) {
    out_.text("required:[");
    Commas commas(out_);
    for (const Json& name : names.is_array() ? names : Json::array()) {
      commas.next();
      quoted(out_, as_text(name));
    }
    out_.text("]");
  }
  void value(const Json& v) { write_value(out_, v, /*quote_keys=*/true, revision_); }

  // Properties by name.  of_schema: they stand among the keys of a schema, whose own words are left out; the first
  // template left out properties of these names everywhere.
  void entries(const Json& properties, bool of_schema) {
    static constexpr std::string_view kWords[] = {"description", "type", "properties", "required", "nullable"};
    Commas commas(out_);
    for (auto entry : sorted(properties)) {
      if ((of_schema || revision_ == Revision::kFirst) &&
          std::find(std::begin(kWords), std::end(kWords), entry.key()) != std::end(kWords))
        continue;
      commas.next();
      out_.text(entry.key() + ":{");
      revision_ == Revision::kFirst ? first_property(*entry) : property(*entry);
    }
  }

  void description(const Json& schema, Commas& commas) {
    if (!is_true(get(schema, "description"))) return;
    commas.next();
    out_.text("description:");
    quoted(out_, text_at(schema, "description"));
  }
  void nullable(const Json& schema, Commas& commas) {
    if (!is_true(get(schema, "nullable"))) return;
    commas.next();
    out_.text("nullable:true");
  }
  void choices(const Json& schema, Commas& commas) {
    if (!is_true(get(schema, "enum"))) return;
    commas.next();
    out_.text("enum:");
    value(get(schema, "enum"));
  }
  void inner(const Json& schema) {
    out_.text("properties:{");
    const Json& properties = get(schema, "properties");
    if (properties.is_object())
      entries(properties, false);
    else
      entries(schema, true);
    out_.text("}");
  }
  void type(const Json& schema, Commas& commas) {
    commas.next();
    out_.text("type:");
    quoted(out_, upper(text_at(schema, "type")));
    out_.text("}");
  }
  static bool has_items(const Json& schema) {
    return get(schema, "items").is_object() && is_true(get(schema, "items"));
  }

  void property(const Json& schema) {
    const std::string kind = upper(text_at(schema, "type"));
    Commas commas(out_);
    description(schema, commas);
    if (kind == "STRING") choices(schema, commas);
    if (kind == "ARRAY" && has_items(schema)) {
      commas.next();
      items(get(schema, "items"));
    }
    nullable(schema, commas);
    if (kind == "OBJECT") {
      commas.next();
      inner(schema);
      if (is_true(get(schema, "required"))) {
        commas.next();
        required(get(schema, "required"));
      }
    }
    type(schema, commas);
  }

  // The first template always put a comma before properties and items, and then none before a type that followed them
  // alone.
  void first_property(const Json& schema) {
    const std::string kind = upper(text_at(schema, "type"));
    Commas commas(out_);
    description(schema, commas);
    nullable(schema, commas);
    if (kind == "STRING") {
      choices(schema, commas);
    } else if (kind == "OBJECT") {
      out_.text(",");
      inner(schema);
      if (is_true(get(schema, "required"))) {
        out_.text(",");
        required(get(schema, "required"));
      }
    } else if (kind == "ARRAY" && has_items(schema)) {
      out_.text(",");
      items(get(schema, "items"));
    }
    type(schema, commas);
  }

  void items(const Json& schema) {
    out_.text("items:{");
    Commas commas(out_);
    for (auto entry : sorted(schema)) {
      if (entry->is_null()) continue;
      commas.next();
      if (entry.key() == "properties") {
        out_.text("properties:{");
        entries(*entry, false);
        out_.text("}");
      } else if (entry.key() == "required") {
        required(*entry);
      } else if (entry.key() == "type") {
        out_.text("type:");
        Json types = *entry;
        if (types.is_string()) types = upper(types.get<std::string>());
        if (types.is_array())
          for (Json& one : types) one = upper(as_text(one));
        value(types);
      } else {
        out_.text(entry.key() + ":");
        value(*entry);
      }
    }
    out_.text("}");
  }

  Prompt& out_;
  Revision revision_;
};

}  // namespace

void write_declaration(Prompt& out, const Json& function, Revision revision) {
  Declaration(out, revision).write(function);
}

void write_value(Prompt& out, const Json& value, bool quote_keys, Revision revision) {
  if (value.is_null()) {
    out.text(revision == Revision::kFirst ? "None" : "null");
  } else if (value.is_string()) {
    quoted(out, value.get_ref<const std::string&>());
  } else if (value.is_boolean()) {
    out.text(value.get<bool>() ? "true" : "false");
  } else if (value.is_object()) {
    out.text("{");
    Commas commas(out);
    for (auto entry : sorted(value)) {
      commas.next();
      quote_keys ? quoted(out, entry.key()) : out.text(entry.key());
      out.text(":");
      write_value(out, *entry, quote_keys, revision);
    }
    out.text("}");
  } else if (value.is_array()) {
    out.text("[");
    Commas commas(out);
    for (const Json& one : value) {
      commas.next();
      write_value(out, one, quote_keys, revision);
    }
    out.text("]");
  } else {
    out.text(as_text(value));
  }
}

void write_entries(Prompt& out, const Json& object, Revision revision) {
  Commas commas(out);
  for (auto entry : sorted(object)) {
    commas.next();
    out.text(entry.key() + ":");
    write_value(out, *entry, /*quote_keys=*/false, revision);
  }
}

}  // namespace facet::chat
