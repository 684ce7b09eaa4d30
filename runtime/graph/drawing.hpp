#pragma once

#include "runtime/graph/graph.hpp"

#include <string>
#include <string_view>

namespace rowlock::runtime {

// The graph in the language of Graphviz and in that of Mermaid. A node with a status is coloured by it and tells it below its id; dashed edges
// are fallbacks, dotted ones hold however the upstream ended. Whatever stands in an id or a condition is shown as it is. Pure.
std::string to_dot(const graph& g, std::string_view name);
std::string to_mermaid(const graph& g);

}
