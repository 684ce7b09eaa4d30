#pragma once

#include "storage/model/execution.hpp"

#include <map>
#include <string>
#include <vector>

namespace rowlock::test {

// What must come of a plan, worked out from its words alone (spec D1, D4, I5) and in no hurry: nothing of it is taken from the product.
struct modelled_need {
    std::string node;
    std::string type;                                // SUCCESS or COMPLETION
    bool skip_on_upstream_skip = false;
};
struct modelled_node {
    std::string id;
    bool gate = false;
    std::string fallback{};
    std::vector<modelled_need> needs{};
    execution_status outcome = execution_status::completed;  // if it runs
};

class plan_model {
public:
    void add(modelled_node node);
    const std::vector<std::string>& order() const { return order_; }
    const modelled_node& node(const std::string& id) const { return nodes_.at(id); }

    // COMPLETED, FAILED, TIMEOUT, CANCELLED or SKIPPED.
    std::string status(const std::string& id) const;
    // Did it do what it was to do, itself or by its fallback?
    bool succeeded(const std::string& id) const;
    std::string plan_status() const;
    std::string text() const;                        // the plan as JSON

private:
    bool holds(const modelled_need& need) const;

    std::map<std::string, modelled_node> nodes_;
    std::vector<std::string> order_;
    mutable std::map<std::string, std::string> known_;
};

}
