#include "storage/model/document_fields.hpp"

#include "storage/model/ids.hpp"

#include <array>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::document {

namespace json = boost::json;

namespace {

// Members of an answer. They are taken so that what GET gave can be edited and put back; none of them is part of the document.
constexpr std::array<std::string_view, 8> answer_fields{"created_time", "changed_time", "author", "warnings", "fingerprint", "current_version", "rolled_back_to",
                                                        "last_action"};

std::string refusal_of_tag(std::string_view key, std::string_view)
{
    if (auto why = refusal_of(key, {1, 256}); !why.empty()) return "has a key that " + why;
    return {};
}

}

std::string read_id(json_fields& fields, std::string_view name, std::string_view path_id, bool required)
{
    const auto given = fields.find(name);
    auto id = fields.slug(name);
    if (path_id.empty()) {
        if (!given && required) fields.require(name);
        return id.value_or("");
    }
    if (!is_slug(path_id)) {
        const json::value shown(json::string_view(path_id.data(), path_id.size()));
        fields.errors().add(std::string(name), &shown, "of the path must be 1 to 128 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit");
    } else if (id && *id != path_id) {
        fields.refuse(given, fmt::format("must be equal to the {} of the path, {}, or be left out", name, path_id));
    }
    fields.accept(name, json::string_view(path_id.data(), path_id.size()));
    return std::string(path_id);
}

std::map<std::string, std::string> read_tags(json_fields& fields)
{
    return fields.text_map("tags", 64, {0, 256}, refusal_of_tag);
}

void read_beside(json_fields& fields)
{
    json::object& document = fields.accepted();
    fields.text("reason", {0, 10'000});
    fields.boolean("enabled");
    fields.integer("version", 1, std::numeric_limits<std::int32_t>::max());
    fields.slug("tenant_id");
    for (const auto name : {"reason", "enabled", "version", "tenant_id"}) document.stable_erase(name);
    for (const auto name : answer_fields) fields.drop(name);
}

void refuse_nul(const json::object& body, field_errors& errors)
{
    for (auto& path : find_every_nul(body, field_errors::most)) {
        errors.add(std::move(path), nullptr, "must not contain U+0000: the database cannot keep it");
    }
}

}
