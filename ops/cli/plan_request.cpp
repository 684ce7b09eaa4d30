#include "ops/cli/plan_request.hpp"

#include "ops/cli/json_read.hpp"
#include "storage/model/ids.hpp"

#include <filesystem>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

json::object plan_source::request(json::object parameters) const
{
    json::object made;
    if (file) made["plan"] = file->body;
    else made["plan_id"] = plan_id;
    if (!parameters.empty()) made["parameters"] = std::move(parameters);
    return made;
}

bool names_a_file(const std::string& argument)
{
    std::error_code ec;
    const bool looks_like_one = argument == "-" || argument.find('/') != std::string::npos || argument.ends_with(".yaml") || argument.ends_with(".yml") || argument.ends_with(".json");
    return looks_like_one || std::filesystem::is_regular_file(argument, ec);
}

outcome_of<plan_source> find_plan_source(context& c, const std::string& argument)
{
    if (!names_a_file(argument)) {
        if (!is_slug(argument)) return bad_input(fmt::format("{} is neither a file nor the id of a plan", argument));
        return plan_source{argument, std::nullopt};
    }
    definition_set set = load_definitions({argument}, default_runner_options(), wanted_documents::plans);
    for (const std::string& complaint : set.complaints) c.screen.complaint(complaint);
    if (!set.complaints.empty()) return bad_input(fmt::format("{} cannot be read as a plan", argument));
    if (set.plans.size() != 1) return bad_input(fmt::format("{}: has {} plans; this takes one", argument, set.plans.size()));
    return plan_source{{}, std::move(set.plans.front())};
}

exit_code fail_at(context& c, const plan_source& source, refusal why)
{
    if (!source.file) return c.fail(why);
    constexpr std::string_view below = "plan.";
    std::vector<field_error> others;
    for (auto& field : why.fields) {
        const bool of_the_plan = field.field.starts_with(below);
        if (of_the_plan) field.field.erase(0, below.size());
        if (of_the_plan) c.screen.complaint(source.file->complaint(field));
        else others.push_back(std::move(field));
    }
    why.fields = std::move(others);
    return c.fail(why);
}

outcome_of<json::value> start_plan(context& c, const json::object& request, const std::string& key)
{
    auto reply = c.api().post(target("/v1/plan-runs"), request, key.empty() ? random_uuid().str() : key);
    if (!reply) return reply.error();
    if (text_at(reply->body, "plan_run_id").empty()) return odd_reply("a plan run was accepted without a plan_run_id");
    return std::move(reply->body);
}

}
