#include "api/signature.hpp"
#include "runtime/handlers/http_reply.hpp"
#include "runtime/handlers/http_status.hpp"
#include "storage/model/json_text.hpp"

#include <cstdint>
#include <cstdlib>

// Any bytes as the status of a polled job, and as the headers of a signed report: taken or refused, and what is kept of them is JSON.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace rowlock;
    const std::string text(reinterpret_cast<const char*>(data), size);
    auto read = runtime::read_status(runtime::http_reply{.status = 200, .body = text}, {});
    if (read.body) {
        const auto state = runtime::usual_state(*read.body);
        for (const bool succeeded : {true, false}) {
            const auto end = runtime::reported(succeeded, *read.body);
            if (end.status != (succeeded ? execution_status::completed : execution_status::failed)) std::abort();
            if (succeeded != end.error_code.empty()) std::abort();
            for (const auto* kept : {&end.outputs, &end.metrics}) {
                if (!kept->empty() && !parse_json(*kept)) std::abort();
            }
        }
        if (state != runtime::job_state::running && !read.body->contains("status") && !read.body->contains("state")) std::abort();
    } else if (read.why.code.empty()) {
        std::abort();
    }

    const auto half = text.substr(0, text.find('\n'));
    const auto message = api::read_signature(half, text.size() > half.size() ? text.substr(half.size() + 1) : "");
    if (message && (message->signature.size() != 32 || api::check_signature(*message, text, "secret", message->timestamp))) std::abort();
    return 0;
}
