// Any bytes as the body of a definition: parsed or refused, never a crash, never a refusal that says nothing; and what is accepted is
// accepted again, unchanged, in the form in which it is stored.

#include "storage/model/job.hpp"
#include "storage/model/json_fields.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

void expect(bool holds)
{
    if (!holds) std::abort();
}

}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace rowlock;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto body = parse_json(text);
    if (!body) {
        expect(body.error().code == errc::malformed_json && !body.error().detail.empty());
        return 0;
    }
    const auto again = parse_json(to_text(*body));
    expect(again.has_value() && *again == *body);
    if (!body->is_object()) return 0;

    const auto definition = parse_job_definition(body->get_object(), "", {});
    if (!definition) {
        expect(!definition.error().fields.empty() && definition.error().code == common_kind(definition.error().fields));
        for (const auto& field : definition.error().fields) expect(!field.message.empty());
        return 0;
    }
    const auto kept = parse_job_definition(definition->document, definition->job_id, {});
    expect(kept.has_value() && to_text(kept->document) == to_text(definition->document));
    return 0;
}
