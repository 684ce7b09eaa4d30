#include "tests/unit/storage/model/definition_text.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>

namespace rowlock {

result<job_definition> parse(std::string_view text, std::string_view path_id, const definition_defaults& defaults)
{
    INFO(text);
    const auto body = parse_json(text);
    REQUIRE(body.has_value());
    return parse_job_definition(body->as_object(), path_id, defaults);
}

job_definition good(std::string_view text, std::string_view path_id)
{
    auto d = parse(text, path_id);
    if (d.has_error()) {
        for (const auto& e : d.error().fields) UNSCOPED_INFO(e.field << " " << e.message);
        FAIL(text << ": " << d.error().detail);
    }
    // Whatever is accepted is accepted again, unchanged, as it is stored.
    const auto again = parse_job_definition(d->document, d->job_id, {});
    REQUIRE(again.has_value());
    CHECK(to_text(again->document) == to_text(d->document));
    return *d;
}

std::vector<field_error> errors_of(std::string_view text, std::string_view path_id)
{
    auto d = parse(text, path_id);
    if (d.has_value()) FAIL("accepted: " << text);
    CHECK(d.error().code == errc::invalid_request);
    CHECK_FALSE(d.error().detail.empty());
    return d.error().fields;
}

names fields_of(std::string_view text, std::string_view path_id)
{
    names all;
    for (const auto& e : errors_of(text, path_id)) all.push_back(e.field);
    std::sort(all.begin(), all.end());
    return all;
}

std::string noop_with(std::string_view members)
{
    return R"({"handler":{"type":"noop"},)" + std::string(members) + "}";
}

std::string with_handler(std::string_view handler)
{
    return R"({"handler":)" + std::string(handler) + "}";
}

std::string kept(const job_definition& definition, std::string_view member)
{
    const auto* v = definition.document.if_contains(member);
    return v ? to_text(*v) : std::string();
}

}
