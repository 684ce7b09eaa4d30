// What a job writes to descriptor 3, in pieces of any size. Nothing may crash or grow without bound, and where the bytes are cut
// may make no difference.
#include "runtime/handlers/fd3_protocol.hpp"

#include <cstdlib>

using namespace rowlock::runtime;

namespace {

constexpr fd3_limits small{.line_bytes = 512, .report_bytes = 256, .complaints = 5};

std::size_t run(std::string_view text, std::size_t piece, boost::json::object& outputs)
{
    fd3_protocol protocol(small);
    std::vector<fd3_event> events;
    while (!text.empty()) {
        const auto now = text.substr(0, piece);
        protocol.feed(now, events);
        text.remove_prefix(now.size());
    }
    protocol.finish(events);
    outputs = protocol.report().outputs;

    std::size_t complaints = 0;
    for (const auto& event : events) {
        if (std::holds_alternative<fd3_complaint>(event)) ++complaints;
        if (const auto* progress = std::get_if<fd3_progress>(&event); progress != nullptr && !(progress->fraction >= 0 && progress->fraction <= 1)) std::abort();
    }
    if (complaints > small.complaints + 1) std::abort();
    return events.size();
}

}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size < 2) return 0;
    // The first byte says how the rest is cut.
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    boost::json::object whole;
    boost::json::object cut;
    if (run(text, text.size(), whole) != run(text, data[0] % 64u + 1u, cut) || whole != cut) std::abort();
    return 0;
}
