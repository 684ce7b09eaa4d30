#include "tests/unit/storage/model/plan_text.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

namespace rowlock {

result<plan_definition> read_plan(std::string_view text, std::string_view path_id)
{
    INFO(text);
    const auto body = parse_json(text);
    REQUIRE(body.has_value());
    return parse_plan(body->as_object(), path_id, {});
}

plan_definition good_plan(std::string_view text, std::string_view path_id)
{
    auto plan = read_plan(text, path_id);
    if (plan.has_error()) {
        for (const auto& e : plan.error().fields) UNSCOPED_INFO(e.field << " " << e.message);
        FAIL(text << ": " << plan.error().detail);
    }
    // Whatever is accepted is accepted again, unchanged, as it is stored.
    const auto again = parse_plan(plan->document, plan->plan_id, {});
    REQUIRE(again.has_value());
    CHECK(to_text(again->document) == to_text(plan->document));
    return std::move(*plan);
}

error refused_plan(std::string_view text, std::string_view path_id)
{
    auto plan = read_plan(text, path_id);
    if (plan.has_value()) FAIL("accepted: " << text);
    CHECK_FALSE(plan.error().detail.empty());
    return std::move(plan).error();
}

std::vector<std::string> refused_fields(std::string_view text, std::string_view path_id)
{
    std::vector<std::string> fields;
    for (const auto& e : refused_plan(text, path_id).fields) fields.push_back(e.field);
    std::sort(fields.begin(), fields.end());
    return fields;
}

std::string plan_of(const std::vector<std::string>& nodes, std::string_view more_members)
{
    std::string text = "{\"nodes\":[";
    for (const auto& node : nodes) {
        const auto colon = node.find(": ");
        const auto members = colon == std::string::npos ? std::string() : node.substr(colon + 2);
        if (text.back() == '}') text += ',';
        text += "{\"node_id\":\"" + node.substr(0, colon) + "\"";
        if (members.find("\"handler\"") == std::string::npos && members.find("\"job_id\"") == std::string::npos) text += ",\"job_id\":\"j\"";
        if (!members.empty()) text += "," + members;
        text += "}";
    }
    text += "]";
    if (!more_members.empty()) text.append(",").append(more_members);
    return text + "}";
}

const plan_node& node_of(const plan_definition& plan, std::string_view node_id)
{
    const auto at = std::find_if(plan.nodes.begin(), plan.nodes.end(), [node_id](const plan_node& node) { return node.node_id == node_id; });
    REQUIRE(at != plan.nodes.end());
    return *at;
}

}
