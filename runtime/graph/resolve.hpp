#pragma once

#include "storage/model/plan.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rowlock::runtime {

// Puts a plan's parameters into the strings that name them. The numbers and the errors must outlive it.
class resolver {
public:
    // `number_of`: of the node with this index in the plan.
    resolver(const boost::json::object& parameters, std::span<const std::uint32_t> number_of, field_errors& errors)
        : parameters_(parameters), number_of_(number_of), errors_(errors)
    {
    }

    // Puts parameters into `value`, which stands at `field`. What is known only when the node starts is told as compiled_node::refs has it.
    std::string put_in(boost::json::value& value, const std::vector<plan_template>& templates, std::string_view field);
    // compiled_node::for_each; "" where it is refused.
    std::string for_each(const plan_for_each& each, std::string_view field);

private:
    const boost::json::value* look_up(const template_part& part, std::string_view field);
    // False: what is put in, all together, is more than can be; the first that is too much is refused.
    bool has_room_for(const boost::json::value& named, const template_part& part, std::string_view field);
    void append_ref(std::string& refs, const place_in_value& at, const std::vector<template_part>& parts) const;

    boost::json::value parameters_;
    std::span<const std::uint32_t> number_of_;
    field_errors& errors_;
    std::unordered_map<const boost::json::value*, std::size_t> size_of_;     // in bytes of JSON text
    std::size_t put_in_ = 0;
};

}
