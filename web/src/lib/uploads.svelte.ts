// Files on their way to the server, one after another, whatever page is open meanwhile.
import { upload, type Uploaded } from './knowledge';

export interface Sending {
  id: number;
  file: File;
  sent: number;
  state: 'waiting' | 'sending' | 'reading' | 'done' | 'failed';
  done: Uploaded | null;
  error: string;
}

class Uploads {
  files = $state<Sending[]>([]);
  /** Grows with each file that is through. */
  through = $state(0);
  private working = false;
  private next = 0;

  take(list: Iterable<File> | null | undefined) {
    for (const file of list ?? []) {
      this.files.push({ id: (this.next += 1), file, sent: 0, state: 'waiting', done: null, error: '' });
    }
    void this.work();
  }

  private async work() {
    if (this.working) return;
    this.working = true;
    for (let one = this.waiting(); one; one = this.waiting()) {
      await send(one);
      this.through += 1;
    }
    this.working = false;
  }

  private waiting() {
    return this.files.find((file) => file.state === 'waiting');
  }
}

async function send(one: Sending) {
  one.state = 'sending';
  try {
    one.done = await upload(one.file, (share) => {
      one.sent = share;
      if (share >= 1) one.state = 'reading';
    });
    one.state = one.done.documents.length > 0 ? 'done' : 'failed';
  } catch (error) {
    one.error = error instanceof Error ? error.message : String(error);
    one.state = 'failed';
  }
}

export const uploads = new Uploads();
