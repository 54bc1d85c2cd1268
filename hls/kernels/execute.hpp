#pragma once

#include "attention.hpp"
#include "check.hpp"
#include "elementwise.hpp"
#include "matmul.hpp"
#include "norm.hpp"
#include "rope_kv.hpp"

namespace accel {

/// What the kernel keeps on chip.
struct Chip {
  Activations act;
  AttentionScratch attention;
  float norm_scratch[limit::hidden];
};

inline void store_float(Beat* row, uint32_t index, float value) {
  Beat beat = row[index / beat_words];
  set_word(beat, index % beat_words, bits_of(value));
  row[index / beat_words] = beat;
}

/// Writes an activation buffer to io, so that what happened between two descriptors can be seen on a card
/// too.
template <class L>
void dump(const Ports& ports, const Descriptor& d, uint32_t token, ActivationsOf<L>& act) {
  const uint32_t length = d.field(field::dump::length);
  Beat* row = ports.io + d.field(field::dump::io_offset) + token * d.field(field::dump::row_beats);
  if (d.field(field::dump::buffer) == buffer::a) {
    store_float(row, 0, act.a_scale[token]);
    for (uint32_t i = 0; i < length; ++i) store_float(row, i + 1, static_cast<float>(act.a[token][i]));
    return;
  }
  const FloatBuffer source = float_buffer(act, d.field(field::dump::buffer));
  for (uint32_t i = 0; i < length; ++i) store_float(row, i, source.data[token * source.stride + i]);
}

/// Executes one descriptor on the tokens of the job. \return a status code.
inline uint32_t execute(const Ports& ports, const Descriptor& d, const Job& job, Chip& chip) {
  if (!valid_descriptor(d, ports.weight_channels)) return status_code::bad_descriptor;
  Activations& act = chip.act;
  const uint32_t first = first_token(d, job);
  if (first >= job.tokens) return status_code::ok;
  const Beat* records = ports.io + job.input_offset;

  if (d.operation() == operation::matmul) {
    const FloatBuffer out = float_buffer(act, d.field(field::matmul::destination));
    const Beat* bias = d.has(flag::biased) ? ports.table + d.field(field::matmul::bias_offset) : nullptr;
    matmul(ports, matrix_shape(d, ports.weight_channels), act, first, job.tokens,
           [&](uint32_t token, uint32_t row, float value) {
             out.data[token * out.stride + row] = biased(value, bias, row);
           });
    return status_code::ok;
  }
  if (d.operation() == operation::logits) {
    Beat* rows = ports.io + d.field(field::logits::io_offset);
    const uint32_t stride = d.field(field::logits::row_beats);
    matmul(
        ports, matrix_shape(d, ports.weight_channels), act, first, job.tokens,
        [&](uint32_t token, uint32_t row, float value) { store_float(rows + token * stride, row, value); });
    return status_code::ok;
  }
  for (uint32_t token = first; token < job.tokens; ++token) {
    const Beat* record = records + token * job.input_stride;
    switch (d.operation()) {
      case operation::embed: {
        const uint32_t id = get_word(record[0], token_field::token);
        if (id >= d.field(field::embed::vocabulary)) return status_code::bad_job;
        const uint32_t row = d.field(field::embed::table_offset) + id * d.field(field::embed::row_beats);
        embed(ports.table + row, d.field(field::embed::hidden), act.x[token]);
        break;
      }
      case operation::norm:
        norm(act.x[token], ports.table + d.field(field::norm::gain_offset), d.field(field::norm::length),
             d.float_field(field::norm::epsilon_bits), chip.norm_scratch, act.a[token], act.a_scale[token],
             act.non_finite);
        break;
      case operation::rope_kv:
        rope_kv(ports, d, record, token, act);
        break;
      case operation::attend:
        attend(ports, d, record, token, act, chip.attention);
        break;
      case operation::silu_mul:
        silu_mul(act, token, d.field(field::silu_mul::length));
        break;
      case operation::add:
        add(act, token, d.field(field::add::length));
        break;
      default:
        dump(ports, d, token, act);
        break;
    }
  }
  return status_code::ok;
}

inline void write_status(Beat* status, uint32_t code, uint32_t descriptor, uint32_t source,
                         const uint64_t* cycles) {
  Beat first = zero_beat();
  set_word(first, status_field::magic, status_magic);
  set_word(first, status_field::code, code);
  set_word(first, status_field::descriptor, descriptor);
  set_word(first, status_field::abi_version, abi_version);
  set_word(first, status_field::counters, source);
  status[0] = first;
  for (uint32_t b = 0; b + 1 < status_beats; ++b) {
    Beat beat = zero_beat();
    for (uint32_t i = 0; i < beat_words / 2; ++i) {
      const uint64_t count = cycles[b * (beat_words / 2) + i];
      set_word(beat, 2 * i, static_cast<uint32_t>(count));
      set_word(beat, 2 * i + 1, static_cast<uint32_t>(count >> 32));
    }
    status[1 + b] = beat;
  }
}

/// Executes a job: its descriptors in order, then the status block.
///
/// Monitor: `uint32_t before(const Descriptor&, const Job&)` returns a status code, other than ok to stop;
/// `void after(const Descriptor&, const Job&, const Ports&, uint64_t* cycles)` counts; `counters` says from
/// where.
///
/// Memory: Chip, or what an emulator's engine keeps in its place, with `act.non_finite` and its own overload
/// of execute.
template <class Memory, class Monitor>
uint32_t execute_job(const Ports& ports, uint32_t job_beat, Memory& chip, Monitor& monitor) {
  const Job job = load_job(ports.io[job_beat]);
  uint64_t cycles[counter_count] = {};
  uint32_t code = status_code::ok;
  uint32_t index = 0;
  chip.act.non_finite = false;
  if (job.abi != abi_version) {
    code = status_code::abi_mismatch;
  } else if (!in_range(job.tokens, limit::block_tokens) || job.first_logit > job.tokens) {
    code = status_code::bad_job;
  }
  for (; code == status_code::ok && index < job.command_count; ++index) {
    const Descriptor d = load_descriptor(ports.io[job.command_offset + index]);
    code = monitor.before(d, job);
    if (code == status_code::ok) code = execute(ports, d, job, chip);
    if (code == status_code::ok) monitor.after(d, job, ports, cycles);
    if (code != status_code::ok) break;
  }
  if (code == status_code::ok && chip.act.non_finite) code = status_code::non_finite;
  write_status(ports.io + job.status_offset, code, index, Monitor::counters, cycles);
  return code;
}

}  // namespace accel
