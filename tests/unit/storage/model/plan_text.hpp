#pragma once

#include "storage/model/plan.hpp"

#include <string>
#include <string_view>
#include <vector>

// Plans as JSON text, read, for tests: what should be accepted fails the test with its errors where it is not, and the other way round.
namespace rowlock {

result<plan_definition> read_plan(std::string_view text, std::string_view path_id = "");
plan_definition good_plan(std::string_view text, std::string_view path_id = "");
error refused_plan(std::string_view text, std::string_view path_id = "");
// The fields of what is refused, in alphabetical order.
std::vector<std::string> refused_fields(std::string_view text, std::string_view path_id = "");

// A plan of these nodes, each of which is `id` or `id: members`; their job is "j" unless the members say otherwise.
std::string plan_of(const std::vector<std::string>& nodes, std::string_view more_members = {});
// The node that is called so.
const plan_node& node_of(const plan_definition& plan, std::string_view node_id);

}
