#pragma once

#include "storage/model/json_fields.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace rowlock::api {

// What stores many definitions as one: {"jobs": [...], "reason"?, "dry_run"?}, likewise with `plans`.
struct apply_body {
    const boost::json::array* items = nullptr;       // 1 to 10,000 of whatever kind; null: refused
    std::string reason{};                            // of each definition that has none of its own
    bool dry_run = false;
};
// `list`: the name of the array, which is kept in `body`. What is refused is noted in `errors`.
apply_body read_apply(const boost::json::object& body, std::string_view list, field_errors& errors);

// The ids of the items of such a list: each is given once.
class ids_given {
public:
    ids_given(std::string_view list, std::string_view id_member, field_errors& errors) : list_(list), member_(id_member), errors_(errors) {}

    // Notes it as refused where it is an earlier item's.
    void add(std::size_t item, const std::string& id);

private:
    std::string_view list_;
    std::string_view member_;
    field_errors& errors_;
    std::map<std::string, std::size_t> first_;
};

// What has become of a definition: "created", "updated" or "unchanged".
std::string_view applied_outcome(bool created, bool changed);

}
