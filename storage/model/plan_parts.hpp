#pragma once

#include "storage/model/plan.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// The rooms of parse_plan: each reads one part of a plan and notes what is wrong with it.
namespace rowlock::plan {

// The jobs of nodes with a handler. A plan of thousands of nodes has a few: what was read once is not read again.
class inline_job_table {
public:
    inline_job_table(const definition_defaults& defaults, std::vector<std::shared_ptr<const job_definition>>& jobs) : defaults_(defaults), jobs_(jobs) {}

    // The index of the job that `node`, which has a handler, describes. Errors: those of parse_job_definition, by the node's fields.
    result<std::uint32_t> take(const boost::json::object& node);

private:
    result<std::uint32_t> parse(const boost::json::object& definition);

    const definition_defaults& defaults_;
    std::vector<std::shared_ptr<const job_definition>>& jobs_;
    std::unordered_map<std::string, std::uint32_t> by_text_;         // as it was given
    std::unordered_map<std::string, std::uint32_t> by_id_;
};

// What all rooms work on.
struct reading {
    reading(const definition_defaults& defaults, field_errors& the_errors, plan_definition& the_plan)
        : errors(the_errors), made(the_plan), inline_jobs(defaults, the_plan.inline_jobs)
    {
    }

    std::optional<std::uint32_t> find(std::string_view node_id) const
    {
        const auto at = index.find(node_id);
        return at == index.end() ? std::nullopt : std::optional(at->second);
    }

    field_errors& errors;
    plan_definition& made;
    inline_job_table inline_jobs;
    std::unordered_map<std::string_view, std::uint32_t> index{};     // of the first node with this id; the ids are those of the body
    std::vector<std::uint32_t> needed_by{};          // of each node: one more than the index of the last whose needs were seen to name it
    std::vector<bool> skips{};                       // of each node: its own skip_on_upstream_skip
};

// Reads `nodes` of at most most_plan_nodes; false: there are none.
bool read_nodes(reading& r, json_fields& plan);
// Adds what `edges` say to the needs of their nodes.
void read_edges(reading& r, json_fields& plan);

// The strings with templates in a node's parameters and in its for_each.
void read_templates(reading& r, json_fields& node, plan_node& made);

// What can only be said of the plan as a whole: needs on what a fallback stands in for, cycles, templates that name what need not have ended.
void check_links(reading& r);

}
