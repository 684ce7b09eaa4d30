#include "storage/model/graph_order.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace rowlock {

namespace {

constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

// The neighbours of each node side by side, in the order of their arrows.
class neighbours {
public:
    enum class direction { out, in };

    neighbours(std::size_t nodes, std::span<const arrow> arrows, direction to) : begin_(nodes + 1, 0), all_(arrows.size())
    {
        const auto here = [to](const arrow& a) { return to == direction::out ? a.from : a.to; };
        const auto there = [to](const arrow& a) { return to == direction::out ? a.to : a.from; };
        for (const auto& a : arrows) ++begin_[here(a) + 1];
        std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
        auto next = begin_;
        for (const auto& a : arrows) all_[next[here(a)]++] = there(a);
    }

    std::span<const std::uint32_t> of(std::uint32_t node) const { return std::span(all_).subspan(begin_[node], begin_[node + 1] - begin_[node]); }

private:
    std::vector<std::size_t> begin_;
    std::vector<std::uint32_t> all_;
};

// Those of a layer are taken together, so a node's last arrow comes from the highest layer that it waits for.
void put_into_layers(graph_order& order, std::size_t nodes, std::span<const arrow> arrows)
{
    const neighbours after(nodes, arrows, neighbours::direction::out);
    std::vector<std::size_t> open(nodes, 0);
    for (const auto& a : arrows) ++open[a.to];
    std::vector<std::uint32_t> now;
    std::vector<std::uint32_t> next;
    for (std::uint32_t i = 0; i < nodes; ++i) {
        if (open[i] == 0) now.push_back(i);
    }
    for (; !now.empty(); std::swap(now, next), next.clear()) {
        for (const auto node : now) order.layer[node] = order.layers;
        for (const auto node : now) {
            for (const auto to : after.of(node)) {
                if (--open[to] == 0) next.push_back(to);
            }
        }
        ++order.layers;
    }
}

void put_in_sequence(graph_order& order)
{
    std::vector<std::size_t> next(order.layers + 1, 0);
    for (const auto layer : order.layer) {
        if (layer != graph_order::no_layer) ++next[layer + 1];
    }
    std::partial_sum(next.begin(), next.end(), next.begin());
    order.sequence.resize(next.back());
    for (std::uint32_t i = 0; i < order.layer.size(); ++i) {
        if (order.layer[i] != graph_order::no_layer) order.sequence[next[order.layer[i]]++] = i;
    }
}

std::vector<std::uint32_t> cycle_through(std::uint32_t node, const std::vector<std::uint32_t>& before)
{
    std::vector<std::uint32_t> cycle{node};
    for (auto at = before[node]; at != node; at = before[at]) cycle.push_back(at);
    std::reverse(cycle.begin(), cycle.end());
    std::rotate(cycle.begin(), std::min_element(cycle.begin(), cycle.end()), cycle.end());
    cycle.push_back(cycle.front());
    return cycle;
}

// A node without a layer waits for another one without a layer. Who goes from each to one that it waits for comes round.
void find_cycles(graph_order& order, std::span<const arrow> arrows)
{
    const auto stuck = [&order](std::uint32_t node) { return order.layer[node] == graph_order::no_layer; };
    std::vector<std::uint32_t> before(order.layer.size(), none);
    for (const auto& a : arrows) {
        if (stuck(a.from) && stuck(a.to) && before[a.to] == none) before[a.to] = a.from;
    }
    std::vector<std::uint32_t> seen_from(order.layer.size(), none);
    for (std::uint32_t start = 0; start < order.layer.size(); ++start) {
        if (!stuck(start)) continue;
        auto at = start;
        for (; seen_from[at] == none; at = before[at]) seen_from[at] = start;
        if (seen_from[at] == start) order.cycles.push_back(cycle_through(at, before));
    }
}

// Looks for ancestors. Most that are asked for are near: a few steps find them. The others are asked for 64 at a time, in one pass over those that
// lie between.
class ancestry {
public:
    ancestry(std::span<const arrow> arrows, const graph_order& order)
        : order_(order), before_(order.layer.size(), arrows, neighbours::direction::in), position_(order.layer.size(), none), seen_(order.layer.size(), 0)
    {
        for (std::uint32_t i = 0; i < order.sequence.size(); ++i) position_[order.sequence[i]] = i;
    }

    enum class answer { yes, no, unknown };

    // Steps back from the asker, at most `most_steps`.
    answer look_near(const ancestor_question& q)
    {
        constexpr std::size_t most_steps = 256;
        if (position_[q.named] == none || order_.layer[q.named] >= order_.layer[q.asker]) return answer::no;
        ++round_;
        waiting_.assign(1, q.asker);
        std::size_t steps = 0;
        for (std::size_t i = 0; i < waiting_.size(); ++i) {
            for (const auto node : before_.of(waiting_[i])) {
                if (node == q.named) return answer::yes;
                if (++steps > most_steps) return answer::unknown;
                if (order_.layer[node] <= order_.layer[q.named] || seen_[node] == round_) continue;
                seen_[node] = round_;
                waiting_.push_back(node);
            }
        }
        return answer::no;
    }

    // `open` are indexes of questions. Sorted by what they name, those of one pass lie close together.
    void look_far(std::span<const ancestor_question> questions, std::vector<std::size_t> open, std::vector<bool>& answers)
    {
        std::sort(open.begin(), open.end(), [&](std::size_t a, std::size_t b) { return position_[questions[a].named] < position_[questions[b].named]; });
        std::vector<std::uint64_t> reached(order_.layer.size(), 0);
        for (std::size_t first = 0; first < open.size();) {
            std::vector<std::uint32_t> named;
            std::uint32_t last_position = 0;
            std::size_t end = first;
            for (; end < open.size(); ++end) {
                const auto& q = questions[open[end]];
                if (named.empty() || named.back() != q.named) {
                    if (named.size() == 64) break;
                    named.push_back(q.named);
                }
                last_position = std::max(last_position, position_[q.asker]);
            }
            spread(named, last_position, reached);
            for (std::size_t bit = 0; first < end; ++first) {
                const auto& q = questions[open[first]];
                while (named[bit] != q.named) ++bit;
                answers[open[first]] = (reached[q.asker] >> bit & 1) != 0;
            }
        }
    }

private:
    // Sets bit i of all that are reached from named[i], up to a position.
    void spread(const std::vector<std::uint32_t>& named, std::uint32_t last_position, std::vector<std::uint64_t>& reached) const
    {
        const auto first_position = position_[named.front()];
        std::size_t bit = 0;
        for (auto i = first_position; i <= last_position; ++i) {
            const auto node = order_.sequence[i];
            std::uint64_t bits = 0;
            for (const auto from : before_.of(node)) {
                if (position_[from] >= first_position) bits |= reached[from];
            }
            if (bit < named.size() && named[bit] == node) bits |= std::uint64_t{1} << bit++;
            reached[node] = bits;
        }
    }

    const graph_order& order_;
    neighbours before_;
    std::vector<std::uint32_t> position_;
    std::vector<std::uint32_t> seen_;                // in which round
    std::uint32_t round_ = 0;
    std::vector<std::uint32_t> waiting_;
};

}

graph_order order_of(std::size_t nodes, std::span<const arrow> arrows)
{
    graph_order order;
    order.layer.assign(nodes, graph_order::no_layer);
    put_into_layers(order, nodes, arrows);
    put_in_sequence(order);
    if (order.sequence.size() < nodes) find_cycles(order, arrows);
    return order;
}

std::vector<bool> are_ancestors(std::span<const ancestor_question> questions, std::span<const arrow> arrows, const graph_order& order)
{
    std::vector<bool> answers(questions.size(), false);
    if (questions.empty()) return answers;
    ancestry look(arrows, order);
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < questions.size(); ++i) {
        switch (look.look_near(questions[i])) {
        case ancestry::answer::yes: answers[i] = true; break;
        case ancestry::answer::no: break;
        case ancestry::answer::unknown: open.push_back(i); break;
        }
    }
    if (!open.empty()) look.look_far(questions, std::move(open), answers);
    return answers;
}

}
