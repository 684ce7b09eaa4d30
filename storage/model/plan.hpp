#pragma once

#include "storage/model/error.hpp"
#include "storage/model/graph_order.hpp"
#include "storage/model/job.hpp"
#include "storage/model/json_fields.hpp"
#include "storage/model/need_type.hpp"
#include "storage/model/plan_template.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rowlock {

inline constexpr std::size_t most_plan_nodes = 1'000'000;
inline constexpr std::size_t most_for_each_items = 1'000'000;

struct plan_need {
    std::uint32_t node = 0;                          // the upstream's index in plan_definition::nodes
    need_type type = need_type::success;
    bool skip_on_upstream_skip = false;              // of the need itself, else of its node
    std::string condition{};                         // SQL/JSON path predicate on the upstream's result document; empty: none
};

// The way down to something in a value: members and indexes.
using place_in_value = std::vector<std::variant<std::string, std::size_t>>;
// As a field: parameters.a[0].
std::string path_of(std::string_view parent, const place_in_value& place);

// A string that holds templates.
struct plan_template {
    place_in_value at;
    std::vector<template_part> parts;                // at least one is no text
};

// One execution an item.
struct plan_for_each {
    std::optional<template_part> source{};           // `parameters` or `node`; none: `items` are given
    boost::json::array items{};
    std::vector<plan_template> templates{};          // in `items`; they name parameters of the plan only
};

struct plan_node {
    std::string node_id;
    std::string job_id{};                            // empty: inline_job is given
    std::optional<std::uint32_t> inline_job{};       // index in plan_definition::inline_jobs
    std::optional<int> job_version{};                // none: the one current at submission
    boost::json::object parameters{};                // over the job's defaults; templates stand in it as they were written
    std::vector<plan_template> templates{};
    std::vector<plan_need> needs{};                  // no two of one node; those of `edges` last
    std::optional<std::uint32_t> fallback{};         // index of the node that starts when this one has failed for good
    std::optional<std::uint32_t> fallback_of{};      // the node whose fallback this is
    std::optional<plan_for_each> for_each{};
    std::map<std::string, std::string> tags{};
    std::optional<int> priority{};
    // A validator: what needs it goes on only where it succeeded, whatever the need says. Known here of an inline job and of a node's own `type`;
    // where the job of the catalogue is one (job_definition::is_validator), whoever looks it up sets it before the plan is compiled.
    bool gate = false;
};

// A plan as it was given, checked (spec J10): nothing in it names what is not there, and it has no cycle.
struct plan_definition {
    std::string plan_id{};                           // empty: it came with a run, and has none
    bool fail_fast = false;                          // on_failure: the first node that fails for good ends the run
    boost::json::object parameters{};                // defaults
    std::vector<plan_node> nodes{};                  // as given
    // The jobs of nodes with a handler. What is equal is here once, under the job_id inline.<16 hex of the SHA-256 of its document>.
    std::vector<std::shared_ptr<const job_definition>> inline_jobs{};
    std::optional<int> priority{};                   // of nodes that have none
    std::map<std::string, std::string> tags{};       // of all executions
    std::string contract_ref{};                      // empty: none (spec S3)
    std::string approval_ref{};
    std::vector<path_to_check> paths{};              // many are often equal
    boost::json::object document{};                  // the whole plan, normalised, as it is stored and shown

    const std::string& job_id_of(const plan_node& node) const { return node.inline_job ? inline_jobs[*node.inline_job]->job_id : node.job_id; }
};

// Reads and validates a plan, whole: every error comes back at once, by field (nodes[3].needs[0].node). `path_id` is the plan_id of the route
// ("": the body may name it). Whether the jobs exist and the paths are some is not asked. Errors: invalid_request; dependency_cycle, whose
// first fields have the cycles. Takes time in proportion to the body. Pure.
result<plan_definition> parse_plan(const boost::json::object& body, std::string_view path_id, const definition_defaults& defaults);

// What has to have ended before what can start, by index: a node's needs; of a fallback its primary; and whatever needs a node with a fallback
// waits for the fallback, and for that one's, since only then it is known what came of the node.
std::vector<arrow> waits_of(const plan_definition& plan);

// Notes the cycles of the plan's order.
void refuse_cycles(const plan_definition& plan, const graph_order& order, field_errors& errors);

}
