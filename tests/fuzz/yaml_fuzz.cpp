#include "ops/cli/yaml_json.hpp"
#include "ops/cli/yaml_text.hpp"
#include "storage/model/json_text.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

// Any bytes are a value or an error with a place in the file; what was read, written as YAML and read again, is the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace rowlock::ops;
    const auto documents = parse_yaml({reinterpret_cast<const char*>(data), size}, {.depth = 100, .bytes = 1u << 20});
    if (!documents) {
        if (documents.error().line < 1 || documents.error().column < 1 || documents.error().message.empty()) std::abort();
        return 0;
    }
    for (const yaml_document& document : *documents) {
        if (document.line_of("a.b[1]") < 1) std::abort();
        const auto again = parse_yaml(to_yaml_text(document.value), {.depth = 110, .bytes = 16u << 20});
        if (!again || again->size() != 1 || rowlock::to_text(again->front().value) != rowlock::to_text(document.value)) std::abort();
    }
    return 0;
}
