#include "api/submission_body.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/value.hpp>
#include <cstdint>
#include <cstdlib>

// Any bytes as the body of a submission, single or batch: refused with errors, or accepted, and then what repeats are compared with is JSON.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace rowlock;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto parsed = parse_json(text);
    const auto* body = parsed ? parsed->if_object() : nullptr;
    if (!body) return 0;

    field_errors errors;
    std::vector<api::submission_body> items;
    if (body->contains("executions")) {
        api::read_batch(*body, errors, items);
    } else {
        api::read_submission(*body, "", errors, items.emplace_back());
    }
    api::refuse_nul(*body, text, errors);
    if (!errors.empty()) {
        if (std::move(errors).take("It").fields.empty()) std::abort();
        return 0;
    }
    for (const auto& one : items) {
        std::string request;
        api::append_key_request(request, one);
        if (!parse_json(request, {.max_depth = 128})) std::abort();
        if (!parse_json(api::merge_parameters(job_version{}, one.parameters), {.max_depth = 128}) && one.parameters) std::abort();
    }
    return 0;
}
