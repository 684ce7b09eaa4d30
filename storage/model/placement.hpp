#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <string_view>

namespace rowlock {

// Which instances may run what (spec J12, J13): an instance has labels (INSTANCE_LABELS), and a definition may ask for some (`placement`).

inline constexpr std::size_t most_labels = 32;

// Why this cannot be a label: what is wrong with it, and what it must be. Empty: it can. Pure.
std::string refusal_of_label(std::string_view name, std::string_view value);

// What a definition asks for, as it is stored: its placement.labels, and placement.region as the label `region`. Empty: any instance will do. Pure.
boost::json::object labels_wanted(const boost::json::object& definition);
// The same as people write it: gpu=true, region=eu.
std::string label_text(const boost::json::object& labels);

}
