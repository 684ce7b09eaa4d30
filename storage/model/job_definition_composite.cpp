#include "storage/model/job_definition_parts.hpp"
#include "storage/model/plan.hpp"

#include <utility>

namespace rowlock::definition {

composite_handler read_composite(json_fields& fields, const definition_defaults& defaults)
{
    composite_handler handler;
    if (!fields.has("plan")) fields.require("plan");
    const auto given = fields.find("plan");
    if (!given) return handler;
    if (given.value->is_string()) {
        handler.plan_id = fields.slug("plan").value_or("");
        return handler;
    }
    const auto* object = given.value->if_object();
    if (!object) {
        fields.refuse(given, "must be the plan_id of a stored plan, or a plan");
        return handler;
    }
    // Its nodes may have plans in them; how deep that goes is bounded where the JSON is read.
    auto plan = parse_plan(*object, {}, defaults);
    if (!plan) {
        fields.errors().add_all(plan.error(), fields.path_of_member("plan"));
        return handler;
    }
    fields.accept("plan", plan->document);
    handler.plan = std::move(plan->document);
    handler.paths = std::move(plan->paths);
    return handler;
}

}
